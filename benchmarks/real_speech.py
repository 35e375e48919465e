"""Real Whisper on real noisy speech, beside faster-whisper itself: python benchmarks/real_speech.py STEP [--model ...]

These are the steps. A stopped step continues where it was:

- `lists`: N-best lists of every set, by the command `robustger nbest`;
- `theirs`: the same files through faster-whisper's own `transcribe`, beam 5, its defaults, int8;
- `correct`: corrections of the lists of p232 and noisy_librispeech by `robustger correct` with the preset's corrector;
- `pairs`: the time of both for the same beam, file by file in turns, on some files of every set;
- `words`: word times of both on the same texts of test-clean-dev; times of the words that were corrected in p232;
- `report`: the tables, as Markdown, from all steps so far. Rows say how many files they rest on.

The sets are read from `$ROBUSTGER_DATA/audio`: LibriSpeech test-clean (a part), VoiceBank-DEMAND p232, NOIZEUS at 0 to
15 dB, noisy LibriSpeech test-other, speechocean762 test. The files of a set are taken in an order drawn with seed 7, so
that an unfinished set is a random part of the whole one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.real_speech_report import CORRECTED, report, rows_of

from robustger.corpora import corpus_manifest
from robustger.hypotheses import load_nbest
from robustger.manifest import Utterance, load_manifest, save_manifest

MANIFESTS = {
    "test-clean-dev": "librispeech/test-clean-dev.jsonl",
    "p232": "voicebank_demand/p232.jsonl",
    "noizeus": None,  # has no manifest; its folders are read
    "noisy_librispeech": "noisy_librispeech.jsonl",
    "speechocean762": "speechocean762/test.jsonl",
}
MODELS = ("whisper-tiny.en", "whisper-base")
DRAWN = {
    "noizeus": 320,
    "speechocean762": 300,
}  # files; the sets that are not taken whole, unless asked for (--all)
BEAMS = 5  # of faster-whisper's defaults
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("step", choices=("lists", "theirs", "correct", "pairs", "words", "report"))
    parser.add_argument("--model", action="append", choices=MODELS, help="default: both")
    parser.add_argument("--set", action="append", dest="sets", choices=tuple(MANIFESTS), help="default: all")
    parser.add_argument(
        "--all", action="store_true", help=f"every file; without it a part of: {', '.join(DRAWN)}"
    )
    parser.add_argument("--timed", type=int, default=12, help="files of each set in the step pairs")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/real_speech"))
    arguments = parser.parse_args()
    sets = arguments.sets or list(MANIFESTS)
    models = arguments.model or list(MODELS)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.step == "report":
        print(report(arguments.output, sets, models))
        return
    for name in sets:
        manifest = drawn_manifest(name, None if arguments.all else DRAWN.get(name), arguments.output)
        for model in models:
            print(f"{arguments.step} {name} {model}", file=sys.stderr, flush=True)
            if arguments.step == "lists":
                make_lists(manifest, model, arguments.output / f"{name}.{model}.lists.jsonl")
            elif arguments.step == "correct":
                if name in CORRECTED:
                    correct(arguments.output / f"{name}.{model}.lists.jsonl")
            elif arguments.step == "theirs":
                target = arguments.output / f"{name}.{model}.theirs.jsonl"
                theirs(load_manifest(manifest), model, target, arguments.threads)
            elif arguments.step == "pairs":
                utterances = load_manifest(manifest)[: arguments.timed]
                pairs(utterances, model, arguments.output / f"{name}.{model}.pairs.jsonl", arguments.threads)
            elif name == "p232":
                corrected_words(arguments.output, name, model, arguments.threads)
            elif name == "test-clean-dev":
                target = arguments.output / f"{name}.{model}.words.jsonl"
                words(load_manifest(manifest)[: 5 * arguments.timed], model, target, arguments.threads)


def drawn_manifest(name: str, limit: int | None, folder: Path) -> Path:
    """The manifest of a set in the drawn order, cut to `limit` files; the one that is there is kept."""
    target = folder / f"{name}.jsonl"
    if not target.exists():
        data = os.environ.get("ROBUSTGER_DATA")
        if not data:
            sys.exit("real_speech: ROBUSTGER_DATA is not set; it names the folder with audio/")
        audio = Path(data).resolve() / "audio"
        given = MANIFESTS[name]
        if given is None:
            everything = folder / f"{name}.all.jsonl"
            corpus_manifest(name, audio / name, everything)
            utterances = [one for one in load_manifest(everything) if one.snr_db is not None]
        else:
            utterances = load_manifest(audio / given)
        random.Random(SEED).shuffle(utterances)
        save_manifest(utterances[:limit], target)
    return target


def make_lists(manifest: Path, model: str, target: Path) -> None:
    """`robustger nbest`, which says how many audio-hours it did in an hour; what it says is kept beside the lists."""
    command = [sys.executable, "-m", "robustger", "nbest", str(manifest), "-o", str(target)]
    command += ["--model", model, "--no-embeddings"]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    said = done.stderr.splitlines()[-1] if done.stderr else ""
    if done.returncode == 2:
        sys.exit(f"real_speech: {said}")
    if "complete already" not in said:
        target.with_suffix(".said.txt").write_text(said + "\n", encoding="utf-8")


def correct(lists: Path) -> None:
    """`robustger correct` with the preset's defaults."""
    target = lists.with_name(lists.name.replace(".lists.", ".corrected."))
    if lists.exists() and not target.exists():
        subprocess.run(
            [sys.executable, "-m", "robustger", "correct", str(lists), "-o", str(target)], check=True
        )


def theirs(utterances: Sequence[Utterance], model: str, target: Path, threads: int) -> None:
    """faster-whisper's own transcripts, a row a file, appended."""
    from faster_whisper.audio import decode_audio

    whisper: Any = None
    done = {row["id"] for row in rows_of(target)}
    with target.open("a", encoding="utf-8") as file:
        for utterance in utterances:
            if utterance.id in done:
                continue
            whisper = whisper or their_model(model, threads)
            samples = decode_audio(str(utterance.audio))
            begin, processor = time.perf_counter(), time.process_time()
            segments, _ = whisper.transcribe(samples, language="en", beam_size=BEAMS)
            text = " ".join(" ".join(segment.text for segment in segments).split())
            row = {
                "id": utterance.id,
                "text": text,
                "reference": utterance.text,
                "seconds": samples.size / 16_000,
                "wall": time.perf_counter() - begin,
                "cpu": time.process_time() - processor,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()


def pairs(utterances: Sequence[Utterance], model: str, target: Path, threads: int) -> None:
    """Wall seconds of both engines with the same beam, in turns; samples in memory, models loaded."""
    from faster_whisper.audio import decode_audio

    whisper, own = their_model(model, threads), our_model(model, threads)
    with target.open("w", encoding="utf-8") as file:
        for number, utterance in enumerate(utterances):
            samples = decode_audio(str(utterance.audio))

            def they(samples: Any = samples) -> None:
                list(whisper.transcribe(samples, language="en", beam_size=BEAMS)[0])

            def we(samples: Any = samples) -> None:
                own.recognize([samples], n=BEAMS, beams=BEAMS)

            def we_adaptive(samples: Any = samples) -> None:
                own.recognize([samples], n=BEAMS)

            runs = [("theirs", they), ("ours", we), ("adaptive", we_adaptive)]
            if number == 0:
                for _, run in runs:  # the first pass of a model costs more
                    run()
            row: dict[str, Any] = {"id": utterance.id, "seconds": samples.size / 16_000}
            for label, run in runs if number % 2 else reversed(runs):
                begin = time.perf_counter()
                run()
                row[label] = time.perf_counter() - begin
            file.write(json.dumps(row) + "\n")
            file.flush()


def words(utterances: Sequence[Utterance], model: str, target: Path, threads: int) -> None:
    """Begin and end of the same words of the same texts: faster-whisper's `word_timestamps` and our `align`."""
    from faster_whisper.audio import decode_audio

    whisper, own = their_model(model, threads), our_model(model, threads)
    with target.open("w", encoding="utf-8") as file:
        for utterance in utterances:
            samples = decode_audio(str(utterance.audio))
            segments, _ = whisper.transcribe(samples, language="en", beam_size=BEAMS, word_timestamps=True)
            found = [word for segment in segments for word in segment.words]
            text = " ".join(word.word.strip() for word in found)
            if len(text.split()) != len(found) or samples.size > 30 * 16_000:
                continue  # a word of theirs that holds a blank, or a recording in two windows
            aligned = own.align(samples, text)
            rows = [
                [theirs.word.strip(), theirs.start, theirs.end, ours.start, ours.end]
                for theirs, ours in zip(found, aligned, strict=True)
            ]
            file.write(json.dumps({"id": utterance.id, "words": rows}, ensure_ascii=False) + "\n")
            file.flush()


def corrected_words(folder: Path, name: str, model: str, threads: int) -> None:
    """What the corrector changed, with the times of the new words, and of the old ones in the recognizer's own text."""
    from robustger.audio import read_audio
    from robustger.pipeline.edits import edits_between
    from robustger.pipeline.words import timed_words

    source = folder / f"{name}.{model}.corrected.jsonl"
    if not source.exists():
        return
    texts = {row["id"]: row["written"] for row in rows_of(source)}
    own = our_model(model, threads)
    with (folder / f"{name}.{model}.edits.jsonl").open("w", encoding="utf-8") as file:
        for nbest in load_nbest(folder / f"{name}.{model}.lists.jsonl"):
            before, after = " ".join(nbest.written[0].split()), texts[nbest.id]
            if before == after or nbest.audio is None:
                continue
            samples = read_audio(folder / nbest.audio)
            seconds = samples.size / 16_000
            old, new = (timed_words(own, samples, text, start=0.0, language="en") for text in (before, after))
            there = edits_between(before, after, new, 0.0, seconds)
            here = edits_between(after, before, old, 0.0, seconds)
            for edit, back in zip(there, here, strict=True):
                row = {"id": nbest.id, "edit": edit.to_dict(), "before": back.to_dict()}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def their_model(model: str, threads: int) -> Any:
    from faster_whisper import WhisperModel

    from robustger.recognition.recognizers.ct2_checkpoint import ct2_folder

    return WhisperModel(str(ct2_folder(model)), device="cpu", compute_type="int8", cpu_threads=threads)


def our_model(model: str, threads: int) -> Any:
    from robustger.recognition import load_recognizer

    os.environ["OMP_NUM_THREADS"] = str(threads)
    return load_recognizer("faster-whisper", model, dtype="int8", device="cpu")


if __name__ == "__main__":
    main()
