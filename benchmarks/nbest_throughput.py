"""Hours of audio that become N-best lists in an hour: python benchmarks/nbest_throughput.py [--quick] [MANIFEST]

Times the recognizer of the preset `lab`, with ten beams and five hypotheses, on the repeated clips of `robustger demo`
or on the first utterances of MANIFEST. It compares batches with one utterance at a time, the search with that of
transformers on the same encoded audio, and the recognizer's window of 5 s with the same weights padded to 30 s. Lists
in batches must equal those of one utterance at a time, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parents[1]))  # transformers' search is the tests' oracle

from benchmarks.timing import Row, as_json, interleaved, seconds, significant
from tests.stock_search import stock_beam_search

from robustger.audio import SAMPLE_RATE, read_audio
from robustger.manifest import Utterance, read_manifest
from robustger.pipeline import load_preset_recognizer
from robustger.recognition import Recognition
from robustger.recognition.bulk.chunks import Request
from robustger.recognition.bulk.prepare_lists import prepare_lists
from robustger.recognition.recognizers.whisper import WhisperRecognizer
from robustger.recognition.search.beam_search import Tokens, beam_search

N, BEAMS, BATCH = 5, 10, 32
UTTERANCES, ROUNDS = 32, 3
PADDED_SECONDS = 30
HOURLY = "audio-hours per hour"


def utterances(manifest: Path | None, count: int) -> list[Utterance]:
    """The first of a manifest, or the demo's, again and again under new ids."""
    path = manifest or Path(str(files("robustger.presets"))) / "lab" / "demo" / "demo.jsonl"
    found = [value for _, value in read_manifest(path) if isinstance(value, Utterance)]
    if manifest:
        return found[:count]
    again = itertools.islice(itertools.cycle(found), count)
    return [Utterance(f"{number}", one.audio) for number, one in enumerate(again)]


def in_batches(
    recognizer: WhisperRecognizer, audios: Sequence[np.ndarray], batch: int = BATCH
) -> list[Recognition]:
    """Lists of all audios, `batch` at a time."""
    return [
        recognition
        for first in range(0, len(audios), batch)
        for recognition in recognizer.recognize(audios[first : first + batch], n=N, beams=BEAMS)
    ]


def padded_to_30_seconds(model: Path, folder: Path) -> WhisperRecognizer:
    """The same weights with a window of 30 s: the encoder's positions are sinusoids, and go on as such."""
    shutil.copytree(model, folder)
    config, features = folder / "config.json", folder / "preprocessor_config.json"
    extractor = json.loads(features.read_text(encoding="utf-8"))
    described = json.loads(config.read_text(encoding="utf-8"))
    frames = described["max_source_positions"] * PADDED_SECONDS // extractor["chunk_length"]
    config.write_text(json.dumps(described | {"max_source_positions": frames}), encoding="utf-8")
    for length in ("n_samples", "nb_max_frames"):  # follow from the other settings
        extractor.pop(length, None)
    features.write_text(json.dumps(extractor | {"chunk_length": PADDED_SECONDS}), encoding="utf-8")
    weights = load_file(folder / "model.safetensors")
    place = "model.encoder.embed_positions.weight"
    old = weights[place]
    half = old.shape[1] // 2
    rates = torch.exp(-np.log(10_000) / (half - 1) * torch.arange(half, dtype=torch.float64))
    angles = torch.arange(frames, dtype=torch.float64)[:, None] * rates
    weights[place] = torch.cat([angles.sin(), angles.cos()], dim=1).to(old.dtype)
    if not torch.allclose(weights[place][: len(old)].float(), old.float(), atol=2e-3):
        sys.exit(f"nbest_throughput: {model}: positions that are no sinusoids cannot go on to 30 s")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return WhisperRecognizer(folder)


def search(recognizer: WhisperRecognizer, states: list[torch.Tensor], stock: bool) -> list[list[Tokens]]:
    """Everything that either search finishes on encoded batches."""
    end, longest = recognizer._settings["eos_token_id"], recognizer._max_new_tokens
    found: list[list[Tokens]] = []
    with torch.inference_mode():
        for some in states:
            if stock:
                found += stock_beam_search(recognizer, some, BEAMS, longest, 1.0)
            else:
                found += beam_search(
                    recognizer._decoder(some, ["en"] * len(some)),
                    beams=BEAMS,
                    end=end,
                    longest=longest,
                    length_penalty=1.0,
                )
    return found


def check_same(found: Sequence[Recognition], expected: Sequence[Recognition]) -> None:
    """Ends the benchmark where what is timed does not give the same lists."""
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        texts, others = ([h.text for h in r.hypotheses] for r in (one, other))
        scores, other_scores = ([h.score or 0.0 for h in r.hypotheses] for r in (one, other))
        if texts != others or not np.allclose(scores, other_scores, atol=1e-3):
            sys.exit(f"nbest_throughput: utterance {number}: {texts} in a batch and {others} alone")


def measure(quick: bool, manifest: Path | None = None) -> list[Row]:
    """The rows of the table of all benchmarks."""
    count, rounds = (4, 1) if quick else (UTTERANCES, ROUNDS)
    chosen = utterances(manifest, count)
    audios = [read_audio(one.audio, start=one.start, end=one.end) for one in chosen]
    audio_seconds = sum(audio.size for audio in audios) / SAMPLE_RATE
    model = Path(load_preset_recognizer("lab").model)
    recognizer = WhisperRecognizer(model)
    sizes: dict[str, object] = {"utterances": len(audios), "audio_seconds": significant(audio_seconds)}
    rows: list[Row] = []

    check_same(in_batches(recognizer, audios), in_batches(recognizer, audios, batch=1))
    alone = interleaved(
        lambda: in_batches(recognizer, audios),
        lambda: in_batches(recognizer, audios, batch=1),
        rounds,
        warm_up=False,
    )
    name = f"lists of {N}, {BEAMS} beams, {BATCH} utterances at a time"
    rows.append(Row("e", name, "one utterance at a time", alone.faster, details=sizes | alone.seconds()))

    with torch.inference_mode():
        states = [recognizer._encode(audios[first : first + BATCH]) for first in range(0, len(audios), BATCH)]
    found, expected = (search(recognizer, states, stock) for stock in (False, True))
    same = [[one.ids for one in texts] for texts in found] == [
        [one.ids for one in texts] for texts in expected
    ]
    searched = interleaved(
        lambda: search(recognizer, states, stock=False),
        lambda: search(recognizer, states, stock=True),
        rounds,
        warm_up=False,
    )
    details = sizes | searched.seconds() | {"same_beams": same}
    rows.append(Row("e", f"the search, {BEAMS} beams", "transformers' own", searched.faster, details=details))

    with tempfile.TemporaryDirectory() as folder:
        padded = padded_to_30_seconds(model, Path(folder) / "padded")
        few = audios[: max(2, len(audios) // 4)]  # a second of which costs much more
        padding = interleaved(
            lambda: in_batches(recognizer, few), lambda: in_batches(padded, few), min(3, rounds)
        )
        name = f"the recognizer's own window of {recognizer.window_seconds:g} s"
        against = f"the same weights, padded to {PADDED_SECONDS} s"
        details = {"utterances": len(few)} | padding.seconds()
        rows.append(Row("e", name, against, padding.faster, details=details))

        lines = [json.dumps(one.to_dict(Path(folder))) + "\n" for one in chosen]
        (Path(folder) / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")

        def bulk(workers: int) -> float:
            run = seconds(
                lambda: prepare_lists(
                    lambda: recognizer,
                    Path(folder) / "manifest.jsonl",
                    Path(folder) / "lists.jsonl",
                    Request(n=N, beams=BEAMS, batch_size=BATCH),
                    settings={},
                    restart=True,
                    workers=workers,
                )
            )
            return audio_seconds / run

        for workers in (0, 1):
            rates = tuple(bulk(workers) for _ in range(rounds))
            name = (
                f"recordings to lists and embeddings, {('no process', 'one process')[workers]} reading ahead"
            )
            rows.append(Row("e", name, "", rates, HOURLY, details=sizes))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="show that it works")
    parser.add_argument("manifest", nargs="?", type=Path, metavar="MANIFEST")
    options = parser.parse_args()
    print(as_json(measure(options.quick, options.manifest), benchmark="nbest_throughput"), end="")


if __name__ == "__main__":
    main()
