"""Kills `robustger train` at random moments until it was killed N times:

    python benchmarks/training_kills.py LISTS [N [SEED]]

The laboratory's language model learns from the first lists of LISTS (a JSONL with embeddings of noisy and clean audio
beside it, as the laboratory's), with noise embeddings and distillation, in 48 steps with a checkpoint after every
second. A run is killed with SIGKILL, at a moment drawn uniformly over the time an undisturbed run takes, and started
again, to be killed again, until it comes to its end. Then its adapter must be that of the undisturbed run, byte for
byte, and so must its other files, optimizers' states and all. Every run is the real command in a process of its own,
forked from one in which the libraries are imported already.
"""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.kills import ended_within

LISTS = 96
BATCH = 2
STEPS = LISTS // BATCH
STATE = Path("last", "training_state", "state.json")


def write_data(source: Path, folder: Path) -> None:
    """The first lists, in an order of their own, beside a link to the embeddings that they name."""
    from robustger.hypotheses import load_nbest, save_nbest

    chosen = load_nbest(source)[:LISTS]
    save_nbest(chosen, folder / "lists.jsonl")
    for name in {str((nbest.audio_embedding or {})["file"]) for nbest in chosen}:
        (folder / name).symlink_to((source.parent / name).resolve())


def write_config(folder: Path, output: Path) -> Path:
    import yaml

    config = {
        "output": str(output),
        "corrector": {"base": "lab-lm", "variant": "paper", "prompt": "compact"},
        "data": {"train": [str(folder / "lists.jsonl")]},
        "optimization": {"epochs": 1, "batch_size": BATCH, "micro_batch_size": BATCH, "adapter_lr": 1e-2},
        "distillation": {"objective": "paper"},
        "evaluation": {"every_steps": 2},
    }
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def start(config: Path) -> int:
    """Starts the command in a child process and returns its id."""
    child = os.fork()
    if child:
        return child
    from robustger.cli import main

    log = os.open(config.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["robustger", "train", str(config)]
    code: object = 70  # as of a program that went wrong in itself
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        os._exit(code if isinstance(code, int) else 70)


def results(folder: Path) -> dict[str, bytes]:
    """Everything a run leaves, but for what names its folder or the hour."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "training.yaml" and "tensorboard" not in path.parts
    }


def main() -> None:
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    draw = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    # What every run imports. Nothing is computed here: the threads of a pool would not live on in a child.
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401

    import robustger.training.loop  # noqa: F401

    torch.set_num_threads(1)
    begin = time.perf_counter()
    done = rounds = different = failed = 0
    killed_at: list[int] = []  # steps on record at every kill
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        write_data(Path(sys.argv[1]).resolve(), data)
        config = write_config(data, data / "undisturbed")
        started = time.perf_counter()
        _, status = os.waitpid(start(config), 0)
        duration = time.perf_counter() - started
        if status:
            sys.exit(config.with_suffix(".log").read_text(encoding="utf-8"))
        expected = results(data / "undisturbed")

        while done < kills:
            rounds += 1
            folder = data / f"round{rounds}"
            config = write_config(data, folder)
            while True:
                child = start(config)
                status = ended_within(child, draw.uniform(0, duration)) if done < kills else None
                if status is None:
                    if done < kills:
                        os.kill(child, signal.SIGKILL)
                    _, status = os.waitpid(child, 0)
                if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                    break
                done += 1
                state = folder / STATE
                killed_at.append(json.loads(state.read_text("utf-8"))["step"] if state.exists() else 0)
            failed += os.waitstatus_to_exitcode(status) != 0
            different += results(folder) != expected
            print(f"{done} kills, {rounds} runs, {different} different", file=sys.stderr)
    result = {
        "benchmark": "training kills",
        "kills": done,
        "steps": STEPS,
        "killed_at": killed_at,
        "runs": rounds,
        "identical": rounds - different,
        "different": different,
        "failed": failed,
        "files": len(expected),
        "undisturbed_seconds": round(duration, 2),
        "seconds": round(time.perf_counter() - begin, 1),
    }
    machine = {"cores": os.cpu_count(), "torch": torch.__version__, "python": platform.python_version()}
    print(json.dumps(result | machine), flush=True)
    sys.exit(1 if different or failed else 0)


if __name__ == "__main__":
    main()
