"""Gives every reader, configuration and command line of robustger mutated inputs:

    python benchmarks/generated_inputs.py [READER...] [--inputs N] [--seed N] [--record FILE]

Small real inputs are changed in one to four places (`benchmarks/mutation.py`). Each must end in a value, or in a
deliberate error of one line with at most 2,000 characters, within 5 s and 2 GB. Nothing is downloaded, and commands
load no models. A row for each reader goes to the record; inputs that show a defect are kept beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.command_lines import COMMAND_LINES
from benchmarks.mutation import Judged, Reader, judge_apart
from benchmarks.mutation_seeds import (
    AUDIO,
    CONFIGS,
    CORRECTIONS,
    FOREIGN,
    JOURNALS,
    LISTS,
    MANIFESTS,
    build_models,
    torch_files,
)

Read = Callable[[Path], tuple[Any, Sequence[str]]]


def _whole(values: Iterable[Any]) -> tuple[Any, list[str]]:
    """All values, and the messages of those that could not be read."""
    found = [value[1] if isinstance(value, tuple) else value for value in values]
    return found, [value.message for value in found if hasattr(value, "message")]


def read_lists(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.hypotheses import read_numbered

    return _whole(read_numbered(folder / "lists.jsonl"))


def read_hyporadise_file(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.hypotheses import read_hyporadise

    return _whole(read_hyporadise(folder / "data.json"))


def _foreign(format: str, source: str, **options: str) -> Read:
    def read(folder: Path) -> tuple[Any, Sequence[str]]:
        from robustger.hypotheses.foreign import import_lists

        messages: list[str] = []
        given = {name: folder / value for name, value in options.items()}
        summary = import_lists(
            folder / source,
            folder / "output",
            format=format,
            on_problem=lambda place, message: messages.append(f"{place}: {message}"),
            **given,
        )
        return summary, messages

    return read


def _manifest(source: str) -> Read:
    def read(folder: Path) -> tuple[Any, Sequence[str]]:
        from robustger.manifest import read_manifest

        return _whole(read_manifest(folder / source))

    return read


def read_audio_file(folder: Path) -> tuple[Any, Sequence[str]]:
    import warnings

    from robustger.audio import ReadingOptions, probe_audio, read_audio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [path] = folder.iterdir()
        try:
            probe_audio(path)
        finally:
            samples = read_audio(path, options=ReadingOptions(keep_going=path.stat().st_size % 2 == 0))
    return samples, ()


def read_training_config(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.training.config import load_training_config

    return load_training_config(folder / "training.yaml"), ()


def read_experiment_data(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.experiments.data import load_data

    data = load_data(folder / "data.yaml")
    return (data.test_lists(), data.digests()), ()


def read_recognizer_settings(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.pipeline.presets import load_preset_recognizer

    return load_preset_recognizer(folder), ()


def read_corrector_config(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.correction.checkpoint import checkpoint_folder, read_config

    (folder / "adapter.safetensors").touch()
    return read_config(checkpoint_folder(folder)), ()


def read_corrections(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.evaluation.corrections import load_corrections

    return load_corrections(folder / "texts.jsonl", written=True), ()


def read_torch(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.torch_files import load_torch

    return load_torch(folder / "items.pt"), ()


def read_robusthp_items(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.hypotheses.robusthp import read_robusthp

    return _whole(read_robusthp(folder / "items.pt"))


def read_journal(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.recognition.bulk.journal import open_journal

    return open_journal(folder, {"a": 1}), ()


def read_mix_folder(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.mixing.output import open_output_folder

    with open_output_folder(folder / "mixed", {"seed": 0}) as opened:
        return opened, ()


def read_embeddings(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.hypotheses import NBest
    from robustger.hypotheses.audio_embeddings import AudioEmbeddings

    place = {"file": "lists.embeddings.safetensors", "noisy": 1, "clean": 0}
    nbest = NBest.from_texts("u", ["a"])
    import dataclasses

    nbest = dataclasses.replace(nbest, audio_embedding=place)
    embeddings = AudioEmbeddings(folder)
    return (embeddings.get(nbest), embeddings.get(nbest, "clean"), embeddings.ids(str(place["file"]))), ()


def _checkpoint(base: Path, encoder: Path) -> Read:
    def read(folder: Path) -> tuple[Any, Sequence[str]]:
        from robustger.correction import Corrector

        config = folder / "config.yaml"
        if config.exists():  # the seed names the folders of the models by a word
            content = config.read_bytes().replace(b"BASE", str(base).encode())
            config.write_bytes(content.replace(b"ENCODER", str(encoder).encode()))
        return Corrector.from_pretrained(folder, device="cpu"), ()

    return read


def _model_folder(checkpoint: Path) -> Read:
    def read(folder: Path) -> tuple[Any, Sequence[str]]:
        from robustger.correction import Corrector

        return Corrector.from_pretrained(checkpoint, device="cpu", base=str(folder)), ()

    return read


def read_whisper_folder(folder: Path) -> tuple[Any, Sequence[str]]:
    from robustger.recognition.known_recognizers import load_recognizer

    return load_recognizer("whisper", folder, device="cpu"), ()


def readers(data: Path) -> Iterator[Reader]:
    """All readers.

    Args:
        data: the folder of `build_models`.
    """
    yield Reader("N-best JSONL", read_lists, LISTS, 12)
    yield Reader("HyPoradise", read_hyporadise_file, FOREIGN["hyporadise"], 6)
    yield Reader("ESPnet", _foreign("espnet", "."), FOREIGN["espnet"], 4)
    yield Reader("ESPnet 1", _foreign("espnet", "data.json"), FOREIGN["espnet1"], 4)
    yield Reader("NeMo manifest", _foreign("nemo", "beams.jsonl"), FOREIGN["nemo"], 4)
    options = {"references": "manifest.jsonl"}
    yield Reader("NeMo table", _foreign("nemo", "beams.tsv", **options), FOREIGN["nemo-table"], 4)
    yield Reader("Kaldi lists", _foreign("kaldi", "lists.txt", references="text"), FOREIGN["kaldi"], 4)
    yield Reader("Kaldi archives", _foreign("kaldi", "."), FOREIGN["kaldi-archives"], 3)
    yield Reader("manifest, JSON Lines", _manifest("manifest.jsonl"), MANIFESTS["jsonl"], 8)
    yield Reader("manifest, CSV", _manifest("manifest.csv"), MANIFESTS["csv"], 6)
    yield Reader("manifest, TSV", _manifest("manifest.tsv"), MANIFESTS["tsv"], 4)
    yield Reader("manifest, Kaldi", _manifest("."), MANIFESTS["kaldi"], 4)
    for kind, seeds in AUDIO().items():
        yield Reader(f"audio, {kind}", read_audio_file, seeds, 2)
    yield Reader("training configuration", read_training_config, CONFIGS["training"], 5)
    yield Reader("data of experiments", read_experiment_data, CONFIGS["data"], 3)
    yield Reader("recognizer.yaml", read_recognizer_settings, CONFIGS["recognizer"], 5)
    yield Reader("corrector's config.yaml", read_corrector_config, CONFIGS["corrector"], 5)
    yield Reader("corrections", read_corrections, CORRECTIONS, 6)
    yield Reader("torch files", read_torch, [*torch_files(data), *torch_files(data, "state")], 4)
    yield Reader("RobustHP items", read_robusthp_items, torch_files(data), 3)
    yield Reader("journal of a killed run", read_journal, JOURNALS["journal"], 3)
    yield Reader("folder of a killed mix", read_mix_folder, JOURNALS["mix"], 3)
    yield Reader("audio embeddings", read_embeddings, [_files(data / "heard", "*.safetensors")], 3)
    checkpoint = _files(data / "checkpoint", "*")
    paths = {str(data / "llm"): b"BASE", str(data / "encoder"): b"ENCODER"}
    for path, word in paths.items():
        checkpoint["config.yaml"] = checkpoint["config.yaml"].replace(path.encode(), word)
    read = _checkpoint(data / "llm", data / "encoder")
    yield Reader("checkpoint folder", read, [checkpoint], 0.3)
    yield Reader(
        "language model's folder", _model_folder(data / "checkpoint"), [_files(data / "llm", "*")], 0.5
    )
    yield Reader("recognizer's folder", read_whisper_folder, [_files(data / "whisper", "*")], 0.2)
    yield COMMAND_LINES


def _files(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(pattern) if path.is_file()}


def prepare() -> None:
    """Imports what readers import, and keeps everything from the network."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    import torch
    import transformers.models.bert.modeling_bert
    import transformers.models.llama.modeling_llama
    import transformers.models.whisper.modeling_whisper  # noqa: F401

    import robustger.cli
    import robustger.correction
    import robustger.experiments.data
    import robustger.pipeline.presets
    import robustger.recognition.recognizers.whisper
    import robustger.training.config  # noqa: F401
    from robustger.cli.quiet import quiet_libraries

    torch.set_num_threads(1)
    quiet_libraries()


def built(data: Path) -> Path:
    """The folder of `build_models`, which is filled by another process, because this one must not compute."""
    if os.fork() == 0:
        try:
            build_models(data)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    if os.wait()[1]:
        sys.exit("the models could not be built")
    return data


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| reader | inputs | accepted | refused | defects | slowest (s) | memory (MiB) |",
        "|:--|" + "--:|" * 6,
    ]
    for row in rows:
        cells = (row["inputs"], row["accepted"], row["refused"], sum(row["defects"].values()))
        shown = [f"{cell:,}" for cell in cells]
        lines.append(
            f"| {row['reader']} | {' | '.join(shown)} | {row['slowest']:.2f} | {row['megabytes']:,} |"
        )
    total = sum(row["inputs"] for row in rows)
    return "\n".join([*lines, f"| all | {total:,} |  |  |  |  |  |"])


def run(chosen: Sequence[str], inputs: int, seed: int, kept: Path) -> list[Judged]:
    """Judges readers, each in a process of its own.

    Args:
        chosen: names of readers; empty for all.
        inputs: in all, over all readers; each gets its share.
        seed: of the mutations.
        kept: folder for inputs that show a defect.
    """
    prepare()
    found = []
    with tempfile.TemporaryDirectory() as name:
        everything = list(readers(built(Path(name) / "models")))
        shares = sum(reader.share for reader in everything)
        for number, reader in enumerate(everything):
            if not chosen or reader.name in chosen:
                scratch = Path(name) / str(number)
                scratch.mkdir()
                count = max(1, round(inputs * reader.share / shares))
                found.append(judge_apart(reader, count, seed, scratch, kept))
                print(json.dumps(found[-1].to_dict()), file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help="default: all")
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N", help="over all readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, default=Path("runs/generated.json"))
    arguments = parser.parse_args()
    kept = arguments.record.with_suffix("")
    rows = [one.to_dict() for one in run(arguments.readers, arguments.inputs, arguments.seed, kept)]
    arguments.record.parent.mkdir(parents=True, exist_ok=True)
    arguments.record.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(table(rows))
    sys.exit(any(row["defects"] for row in rows))


if __name__ == "__main__":
    main()
