"""Kills `nbest`, `correct`, `mix`, `train` and `experiment` at random moments:

    python benchmarks/kills.py [COMMAND...] [--kills N] [--until HH:MM] [--seed N] [--record FILE]

A command is killed with SIGKILL, at a moment drawn uniformly over the time that an undisturbed run takes, and started
again with the same arguments, to be killed again, until it comes to its end. Then every file must be that of the
undisturbed run, byte for byte, no other file may be left, and no process that the command started may live on. All
models are tiny and random. The command that took least time so far is next, until each was killed N times. Each round
is a line of the record, so that the benchmark goes on where it was stopped; it prints the table of all rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.killing import Command, Killer, adopt_orphans, become

WORDS = ("what", "is", "the", "fare", "from", "boston", "to", "denver", "on", "sunday", "night", "at", "nine")


EIGHT_AT_A_TIME = "from robustger.correction import files; files.LISTS_AT_A_TIME = 8"


def nbest(data: Path, folder: Path) -> Command:
    """A manifest with clean pairs, long recordings and broken ones; new processes have two workers."""
    import yaml
    from tests.tiny_whisper import babble, build_tiny_whisper

    from robustger.audio import write_audio

    build_tiny_whisper(data / "preset" / "recognizer")
    settings = {"kind": "whisper", "model": "recognizer", "n": 5, "beams": 5}
    (data / "preset" / "recognizer.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    rows = []
    for number in range(10):
        seconds = 5.0 if number == 5 else 0.3 + 0.05 * number
        write_audio(data / f"{number}.wav", babble(seconds, number))
        rows.append({"id": f"u{number}", "audio": f"{number}.wav", "text": f"text {number}"})
        if number % 2:
            write_audio(data / f"{number}.clean.wav", babble(seconds, 100 + number))
            rows[-1]["clean_audio"] = f"{number}.clean.wav"
    (data / "7.wav").write_bytes((data / "7.wav").read_bytes()[:1000])
    rows[8]["audio"] = "none.wav"
    _write_lines(data / "manifest.jsonl", rows)
    arguments = (
        str(data / "manifest.jsonl"),
        "-o",
        str(folder / "lists.jsonl"),
        "--preset",
        str(data / "preset"),
    )
    arguments += ("--device", "cpu", "--batch-size", "2")
    return Command("nbest", arguments, folder, exit_code=1, real_arguments=("--workers", "2"))


def correct(data: Path, folder: Path) -> Command:
    """48 lists with a corrector that hears noise; the transcripts are kept after every eight lists, not after 256."""
    from robustger.hypotheses import save_nbest

    build_tiny_models(data).save_pretrained(data / "checkpoint")
    save_nbest(lists(48), data / "lists.jsonl")
    arguments = (str(data / "lists.jsonl"), "-o", str(folder / "texts.jsonl"), "--batch-size", "8")
    return Command(
        "correct", (*arguments, "--checkpoint", str(data / "checkpoint")), folder, prepared=EIGHT_AT_A_TIME
    )


def mix(data: Path, folder: Path) -> Command:
    """Twelve utterances at three SNRs, one of them without a recording."""
    from tests.tiny_whisper import babble

    from robustger.audio import write_audio

    rows = []
    for number in range(12):
        write_audio(data / f"{number}.wav", babble(0.5 + 0.3 * number, number))
        rows.append({"id": f"u{number}", "audio": f"{number}.wav", "text": f"text {number}"})
    rows[3]["audio"] = "none.wav"
    _write_lines(data / "manifest.jsonl", rows)
    (data / "noise").mkdir()
    for number in range(2):
        write_audio(data / "noise" / f"noise{number}.wav", babble(7.0, 50 + number))
    arguments = (str(data / "manifest.jsonl"), "--noise", str(data / "noise"), "-o", str(folder / "mixed"))
    return Command("mix", (*arguments, "--snr", "0,5,10", "--workers", "2"), folder, exit_code=1)


def train(data: Path, folder: Path) -> Command:
    """An adapter with noise embeddings and distillation: 16 steps, a checkpoint after every second one."""
    import yaml
    from tests.heard_lists import save_heard_lists

    build_tiny_models(data)
    save_heard_lists(lists(32), data / "lists.jsonl")
    config = {
        "output": str(folder / "run"),
        "dtype": "float32",
        "tracking": "none",
        "corrector": corrector_section(data),
        "data": {"train": [str(data / "lists.jsonl")], "dev": [str(data / "lists.jsonl")]},
        "optimization": {"epochs": 2, "batch_size": 4, "adapter_lr": 1e-2},
        "distillation": {"objective": "paper"},
        "evaluation": {"every_steps": 2},
    }
    (data / "training.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return Command("train", (str(data / "training.yaml"),), folder)


def experiment(data: Path, folder: Path) -> Command:
    """The figure of embeddings, for which two correctors are trained at the same time, each in a process."""
    import yaml
    from tests.experiments.conftest import build_small_lab

    build_tiny_models(data)
    (data / "lab").mkdir()
    build_small_lab(data / "lab")
    recipe = {
        "output": "-",
        "dtype": "float32",
        "tracking": "none",
        "corrector": corrector_section(data) | {"max_new_tokens": 12, "skip_agreeing": False},
        "data": {"train": ["-"]},
        "optimization": {"epochs": 2, "batch_size": 4, "adapter_lr": 0.05},
        "evaluation": {"every_steps": 1},
    }
    (data / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    arguments = (
        "embedding",
        "--data",
        str(data / "lab"),
        "--recipe",
        str(data / "recipe.yaml"),
        "--base",
        "none",
    )
    arguments += (
        "--seeds",
        "0",
        "--jobs",
        "2",
        "--lists",
        "12",
        "--sentences",
        "2",
        "-o",
        str(folder / "out"),
    )
    return Command("experiment", arguments, folder, shown=without_times)


COMMANDS: Mapping[str, Callable[[Path, Path], Command]] = {
    make.__name__: make for make in (nbest, correct, mix, train, experiment)
}


def without_times(name: str, content: bytes) -> bytes | None:
    """A file of an experiment, without the seconds that it took."""
    if name.endswith(("seconds.txt", "output.log")):
        return None
    if name.endswith(("results.json", ".md")):
        return re.sub(
            rb'("\w*seconds\w*": )[0-9.e+-]+|[0-9.]+ (seconds|minutes|hours) of processor', rb"\1", content
        )
    return content


def corrector_section(data: Path) -> dict[str, Any]:
    """The section `corrector` of a training configuration on the tiny models."""
    models = {"base": str(data / "llm"), "encoder": str(data / "encoder"), "noise_dimension": 16}
    return models | {"variant": "paper", "n_best": 3, "max_new_tokens": 24}


def build_tiny_models(data: Path) -> Any:
    """Writes a tiny language model and a tiny encoder, and returns a corrector on them."""
    from tests.tiny_llm import build_tiny_corrector, build_tiny_encoder, build_tiny_llm

    return build_tiny_corrector(build_tiny_llm(data / "llm"), build_tiny_encoder(data / "encoder"))


def lists(count: int) -> list[Any]:
    """Lists of three hypotheses that differ."""
    from robustger.hypotheses import NBest

    texts = [
        " ".join(WORDS[(number + k) % len(WORDS)] for k in range(3 + number % 5)) for number in range(count)
    ]
    return [
        NBest.from_texts(f"u{number}", [f"{text} {WORDS[number % 7]}", text, f"{text} at"], reference=text)
        for number, text in enumerate(texts)
    ]


def _write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@dataclass(slots=True)
class ForkedTraining:
    """A training of an experiment in a forked process, with what `execute` needs of `subprocess.Popen`."""

    process: int
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.process, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def terminate(self) -> None:
        os.kill(self.process, signal.SIGTERM)

    def wait(self) -> None:
        while self.poll() is None:
            time.sleep(0.01)

    def __hash__(self) -> int:
        return self.process


def fork_trainings() -> None:
    """Makes the experiment of this process start its trainings by forking, which saves their imports."""
    from robustger.experiments.runs import trainings, worker

    def start(run: Any, environment: object, command: object) -> ForkedTraining:
        parent = os.getpid()
        run.write()
        if child := os.fork():
            return ForkedTraining(child)
        code = 70
        try:
            become(["worker", str(run.folder), str(parent)], run.folder / "output.log")
            worker.main()
            code = 0
        finally:
            os._exit(code)

    trainings.start = start  # type: ignore[assignment]


def import_everything() -> None:
    """Imports what the commands need; nothing is computed."""
    import matplotlib.pyplot  # noqa: F401
    import torch
    import transformers.models.bert.modeling_bert
    import transformers.models.llama.modeling_llama
    import transformers.models.whisper.modeling_whisper  # noqa: F401

    import robustger.audio
    import robustger.experiments.perform
    import robustger.experiments.runs.worker
    import robustger.mixing
    import robustger.pipeline.resumed_correction
    import robustger.recognition.bulk.prepare_lists
    import robustger.recognition.recognizers.whisper
    import robustger.training.loop  # noqa: F401

    torch.set_num_threads(1)


def table(rounds: Sequence[Mapping[str, Any]]) -> str:
    """The rounds as a table in Markdown, a row for each command."""
    lines = [
        "| command | kills | of these new processes | of these with child processes | runs to the end | "
        "with other bytes or files | with another exit code | processes left running |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, make in COMMANDS.items():
        own = [one for one in rounds if one["command"] == name]
        sums = [sum(one[key] for one in own) for key in ("kills", "real_kills", "with_children")]
        different = sum(bool(one["different"]) for one in own)
        failed = sum(one["exit_code"] != (1 if make in (nbest, mix) else 0) for one in own)
        left = sum(one["left_running"] for one in own)
        lines.append(f"| `{name}` | {' | '.join(map(str, (*sums, len(own), different, failed, left)))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=f"default: {', '.join(COMMANDS)}")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="of each command (default: 200)")
    parser.add_argument("--until", metavar="HH:MM", help="kill nothing after this time of today")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="a line for each round; rounds in it are not done again")
    arguments = parser.parse_args()
    if unknown := set(arguments.commands) - set(COMMANDS):
        parser.error(f"no such command: {', '.join(unknown)}")
    rounds: list[dict[str, Any]] = []
    if arguments.record is not None and arguments.record.exists():
        rounds = [json.loads(line) for line in arguments.record.read_text(encoding="utf-8").splitlines()]
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ |= {"HF_HUB_OFFLINE": "1"}
    import_everything()
    adopt_orphans()

    def late() -> bool:
        return arguments.until is not None and time.strftime("%H:%M") >= arguments.until

    with tempfile.TemporaryDirectory() as name:
        killers = {}
        for command in arguments.commands or COMMANDS:
            killers[command] = make_killer(command, Path(name) / command, arguments.seed)
            seconds = killers[command].run_undisturbed()
            say(f"{command}: {len(killers[command].expected)} files, {seconds:.1f} s undisturbed")
        while not late() and (left := waiting(killers, rounds, arguments.kills)):
            own = [one for one in rounds if one["command"] == left[0]]
            told = killers[left[0]].run_round(len(own), lambda: not late()).to_dict()
            rounds.append(told)
            say(json.dumps(told))
            if arguments.record is not None:
                arguments.record.parent.mkdir(parents=True, exist_ok=True)
                with arguments.record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(told) + "\n")
    print(table(rounds))
    print(f"seed {arguments.seed}, {os.cpu_count()} cores, Python {platform.python_version()}")
    sys.exit(any(one["different"] or one["left_running"] for one in rounds))


def waiting(commands: Iterable[str], rounds: Sequence[Mapping[str, Any]], kills: int) -> list[str]:
    """The commands that have to be killed more often, the one that took least time first."""

    def sum_of(key: str, command: str) -> float:
        return sum(one[key] for one in rounds if one["command"] == command)

    left = [command for command in commands if sum_of("kills", command) < kills]
    return sorted(left, key=lambda command: sum_of("seconds", command))


def make_killer(name: str, folder: Path, seed: int) -> Killer:
    """Writes the inputs of a command, in a process of its own, because this one must not compute."""
    data, output = folder / "data", folder / "run"
    data.mkdir(parents=True)
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            command = COMMANDS[name](data, output)
            fields = (command.arguments, command.exit_code, command.real_arguments, command.prepared)
            os.write(writing, json.dumps(fields).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        arguments, exit_code, real_arguments, prepared = json.loads(file.read())
    os.waitpid(-1, 0)
    shown = without_times if name == experiment.__name__ else lambda name, content: content
    command = Command(name, tuple(arguments), output, exit_code, tuple(real_arguments), prepared, shown)
    return Killer(command, folder / "log", seed, fork_trainings)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
