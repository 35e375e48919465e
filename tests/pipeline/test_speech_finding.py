"""Silence is left out of recordings and reported: real VAD, and a recognizer that records its inputs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import robustger as package
from robustger.audio import SAMPLE_RATE, ReadingOptions, read_audio, write_audio
from robustger.hypotheses import Hypothesis, NBest, Transcript, load_nbest
from robustger.pipeline import RobustGER
from robustger.pipeline.transcribe_to import known_seconds, transcribe_to
from robustger.recognition import AudioEmbedding, Recognition
from robustger.recognition.bulk.chunks import Request
from robustger.recognition.bulk.prepare_lists import prepare_lists

DEMO = Path(package.__file__).parent / "presets" / "lab" / "demo"
TONE = (0.1 * np.sin(np.arange(SAMPLE_RATE) * 0.1)).astype(np.float32)


class Listener:
    """Writes how long what it is given is; in German, if it is asked to."""

    window_seconds = 10.0
    pads = True
    embedding_size = 2

    def __init__(self, language: str | None = None) -> None:
        self.language = language
        self.given: list[int] = []

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        self.given += [audio.size for audio in audios]
        texts = [f"It's {audio.size} samples." for audio in audios]
        vector = np.zeros(2, np.float32)
        return [
            Recognition((Hypothesis(text, -1.0), Hypothesis(text, -2.0)), 1, vector, vector, self.language)
            for text in texts
        ]

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        return [AudioEmbedding(np.zeros(2, np.float32)) for _ in audios]


class Looping(Listener):
    """Writes the same phrase again and again."""

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        loop = Hypothesis(" ".join(["Thank you."] * 20), -1.0)
        return [Recognition((loop,), 1, np.zeros(2, np.float32)) for _ in audios]


class Unchanging:
    """A corrector that changes nothing, and knows English alone."""

    def correct(self, lists: Sequence[NBest], **options: Any) -> list[Transcript]:
        return [
            Transcript(
                nbest.id, nbest.best, nbest.best, nbest.best,
                "llm" if nbest.language in (None, "en") else "language", "none", 1.0, written=nbest.written[0],
            )
            for nbest in lists
        ]  # fmt: skip

    def forget(self) -> None:
        """There is nothing to forget."""


def pipeline(recognizer: Listener, **options: Any) -> RobustGER:
    return RobustGER(lambda: recognizer, Unchanging, normalizer="spoken", **options)  # type: ignore[arg-type,return-value]


@pytest.fixture(scope="module")
def sentences() -> list[np.ndarray]:
    return [read_audio(path) for path in sorted(DEMO.glob("*.flac"))]


def test_nobody_s_speech_is_an_empty_text(tmp_path: Path, sentences: list[np.ndarray]) -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE * 30) * 0.02
    write_audio(tmp_path / "fan.wav", noise[: SAMPLE_RATE * 3])
    write_audio(tmp_path / "long.wav", noise)
    write_audio(tmp_path / "said.wav", sentences[0])
    files = [str(tmp_path / f"{name}.wav") for name in ("fan", "said", "long")]
    recognizer = Listener()
    warnings: list[str] = []
    progress: list[float] = []
    summary = transcribe_to(
        pipeline(recognizer),
        files,
        str(tmp_path / "all.json"),
        on_warning=warnings.append,
        on_progress=progress.append,
    )
    # Progress counts also the stretches that are left out, so that it arrives at the total.
    total = known_seconds([*files, "-", str(tmp_path / "missing.wav")], ReadingOptions())
    assert sum(progress) == pytest.approx(total) == pytest.approx(summary.seconds)
    rows = [json.loads(line) for line in (tmp_path / "all.json").read_text(encoding="utf-8").splitlines()]
    assert [(row["speech"], bool(row["text"]), len(row["segments"])) for row in rows] == [
        (False, False, 0), (True, True, 1), (False, False, 0)
    ]  # fmt: skip
    assert warnings == [f"{file}: nobody speaks in it" for file in (files[0], files[2])]
    assert (summary.files, summary.problems) == (3, 0)
    assert recognizer.given == [len(sentences[0])]  # a short recording is not trimmed


def test_a_loop_is_named_and_is_no_problem(tmp_path: Path, sentences: list[np.ndarray]) -> None:
    write_audio(tmp_path / "said.wav", sentences[0])
    file, warnings = str(tmp_path / "said.wav"), []
    summary = transcribe_to(
        pipeline(Looping()), [file], str(tmp_path / "all.json"), on_warning=warnings.append
    )
    [warning] = warnings
    assert warning.startswith(f"{file}: from 0.0 to ")
    assert "the recognizer repeats itself ('Thank you." in warning
    assert len(warning) < 400
    assert "\n" not in warning
    assert summary.problems == 0
    [row] = map(json.loads, (tmp_path / "all.json").read_text(encoding="utf-8").splitlines())
    assert row["segments"][0]["meta"]["loops"] is True

    (tmp_path / "manifest.jsonl").write_text(json.dumps({"id": "u", "audio": "said.wav"}), encoding="utf-8")
    for recognizer, expected in ((Looping(), ["u: the recognizer repeats itself"]), (Listener(), [])):
        warnings.clear()
        done = prepare_lists(
            lambda recognizer=recognizer: recognizer, tmp_path / "manifest.jsonl", tmp_path / "lists.jsonl",
            Request(), settings={}, restart=True, on_warning=warnings.append,
        )  # fmt: skip
        assert [warning.split(" (")[0] for warning in warnings] == expected
        assert done.problems == 0
        [nbest] = load_nbest(tmp_path / "lists.jsonl")
        assert nbest.meta.get("loops", False) == bool(expected)


def test_a_recognizer_of_one_s_own_decides_for_itself() -> None:
    recognizer = Listener()
    own = RobustGER.from_preset("lab", recognizer=recognizer)  # type: ignore[arg-type]
    assert not own.find_speech
    assert RobustGER.from_preset("lab").find_speech
    asked = RobustGER.from_preset("lab", recognizer=recognizer, find_speech=True)  # type: ignore[arg-type]
    assert asked.find_speech
    transcription = pipeline(recognizer, find_speech=False).transcribe(TONE)
    assert transcription.text == "It's 16000 samples."
    assert transcription.plain == "it's sixteen thousand samples"
    long = pipeline(recognizer, find_speech=False).transcribe(np.tile(TONE, 25))
    assert sum(part.end - part.start for part in long.segments) == 25
    assert not pipeline(recognizer).transcribe(TONE).segments


def test_lists_have_both_forms_and_their_language(sentences: list[np.ndarray]) -> None:
    [english] = pipeline(Listener("en")).transcribe(sentences[0]).segments
    size = len(sentences[0])
    assert english.nbest.written == (f"It's {size} samples.",)
    assert english.nbest.meta == {"distinct": 1, "recognized": f"It's {size} samples."}
    [german] = pipeline(Listener("de")).transcribe(sentences[0]).segments
    assert german.nbest.language == "de"
    assert german.nbest.best == f"it's {size} samples"  # no English number words


def test_an_unknown_language_is_told_once(tmp_path: Path, sentences: list[np.ndarray]) -> None:
    files = [str(tmp_path / f"{number}.wav") for number in range(3)]
    for file, samples in zip(files, sentences, strict=False):
        write_audio(file, samples)
    warnings: list[str] = []
    transcribe_to(pipeline(Listener("de")), files, str(tmp_path / "all.txt"), on_warning=warnings.append)
    assert len(warnings) == 1
    assert "the corrector does not know the language 'de'" in warnings[0]


def test_hours_are_read_as_they_are_worked_on(
    sentences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far the reader is ahead of the recognizer, in samples, does not grow."""
    block = np.concatenate([*sentences, np.zeros(SAMPLE_RATE * 5, np.float32)])
    read = 0
    ahead: list[int] = []

    def blocks(*arguments: Any, **options: Any) -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(60):
            read += len(block)
            yield block

    class Watching(Listener):
        def recognize(self, audios: Sequence[np.ndarray], **options: Any) -> list[Recognition]:
            ahead.append(read - sum(self.given))
            return super().recognize(audios, **options)

    monkeypatch.setattr("robustger.audio.stream_audio", blocks)
    found = pipeline(Watching()).transcribe("hours.wav")
    assert found.seconds == 60 * len(block) / SAMPLE_RATE
    left_out = 60 * 4.5 * SAMPLE_RATE  # the pauses, which are read and not recognized
    assert max(ahead[1:]) < left_out + 16 * 12 * SAMPLE_RATE + 60 * SAMPLE_RATE
    assert len(ahead) > 5


@pytest.fixture
def prepared(tmp_path: Path, sentences: list[np.ndarray]) -> Callable[..., dict[str, NBest]]:
    parts = [sentences[0], np.zeros(SAMPLE_RATE * 8, np.float32), sentences[1]]
    recordings = {"tone": TONE, "spoken": np.concatenate(parts), "long": np.tile(TONE, 25)}
    rows = []
    for name, samples in recordings.items():
        write_audio(tmp_path / f"{name}.wav", samples)
        rows.append(json.dumps({"id": name, "audio": f"{name}.wav", "text": "It's said."}) + "\n")
    (tmp_path / "m.jsonl").write_text("".join(rows), encoding="utf-8")

    def run(**request: Any) -> dict[str, NBest]:
        options = Request(normalizer="spoken", **request)
        target = tmp_path / "lists.jsonl"
        prepare_lists(Listener, tmp_path / "m.jsonl", target, options, settings={}, restart=True, workers=0)  # type: ignore[arg-type]
        return {nbest.id: nbest for nbest in load_nbest(target)}

    return run


def test_rows_of_a_manifest(prepared: Callable[..., dict[str, NBest]]) -> None:
    lists = prepared(find_speech=True)
    assert list(lists) == ["tone", "spoken#1", "spoken#2", "long"]
    assert lists["tone"].best == "it's sixteen thousand samples"  # somebody marked it as an utterance
    assert (lists["tone"].reference, lists["tone"].written_reference) == ("it's said", "It's said.")
    assert lists["tone"].audio_embedding is not None
    assert lists["long"].hypotheses == (Hypothesis("", None, ""),)
    assert lists["long"].meta == {"distinct": 1, "speech": False}
    assert lists["long"].reference == "it's said"
    window = lists["spoken#2"].meta["window"]
    assert window == {
        "of": "spoken", "number": 2, "count": 2, "reference": "it's said", "written_reference": "It's said."
    }  # fmt: skip
    assert (lists["spoken#1"].start, lists["spoken#2"].end) == (0.0, pytest.approx(11.6, abs=0.3))


def test_without_speech_finding_nothing_is_left_out(prepared: Callable[..., dict[str, NBest]]) -> None:
    lists = prepared()
    assert [id_ for id_ in lists if id_.startswith("long")] == ["long#1", "long#2", "long#3"]
    assert all(dataclasses.asdict(nbest)["meta"].get("speech") is None for nbest in lists.values())
