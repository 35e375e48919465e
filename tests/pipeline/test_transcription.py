"""RobustGER on tiny models: audio in, one frozen value out, the same however it is asked for."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_preset import WINDOW_SECONDS, save_babble, save_broken
from tests.tiny_whisper import babble

from robustger.audio import AudioError
from robustger.errors import InputError
from robustger.pipeline import Failure, RobustGER, Transcription


def test_a_file_its_bytes_and_its_samples_say_the_same(robustger: RobustGER, tmp_path: Path) -> None:
    path = tmp_path / "u1.wav"
    samples = save_babble(path, 1.5, 1)
    from_file = robustger.transcribe(path)
    assert (from_file.id, from_file.audio, from_file.seconds) == ("u1", str(path), 1.5)
    [segment] = from_file.segments
    assert (segment.start, segment.end) == (0.0, 1.5)
    assert (segment.nbest.id, segment.nbest.audio) == ("u1", str(path))
    assert len(segment.nbest.hypotheses) == 5
    assert segment.transcript.best == " ".join(segment.nbest.best.split())
    assert from_file.text == segment.transcript.text
    for other in (
        robustger.transcribe(io.BytesIO(path.read_bytes()), id="u1"),
        robustger.transcribe(samples, id="u1"),
    ):
        assert other.audio is None
        assert [dataclasses.replace(part.nbest, audio=str(path)) for part in other.segments] == [
            segment.nbest
        ]
        assert [part.transcript for part in other.segments] == [segment.transcript]


def test_an_array_of_another_rate_and_two_channels(robustger: RobustGER) -> None:
    stereo = np.stack([babble(1.0, 2)] * 2, axis=1)
    transcription = robustger.transcribe(stereo, sample_rate=8_000)
    assert (transcription.id, transcription.seconds) == ("audio", 2.0)


def test_values_are_frozen(robustger: RobustGER) -> None:
    transcription = robustger.transcribe(babble(1.0, 3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        transcription.id = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        transcription.segments[0].start = 1.0  # type: ignore[misc]


def test_long_audio_is_cut_where_it_is_quiet(robustger: RobustGER) -> None:
    pause = np.zeros(8_000, np.float32)
    samples = np.concatenate([babble(1.4, 1), pause, babble(1.4, 2), pause, babble(1.4, 3)])
    transcription = robustger.transcribe(samples)
    assert len(transcription.segments) >= 3
    end = 0.0
    for segment in transcription.segments:
        assert end <= segment.start < segment.end <= segment.start + WINDOW_SECONDS + 1e-6
        end = segment.end
        # Each is what its own stretch gives.
        alone = robustger.transcribe(
            samples[round(16_000 * segment.start) : round(16_000 * segment.end)], id=segment.nbest.id
        )
        assert alone.segments[0].nbest.texts == segment.nbest.texts
        assert alone.text == segment.text
    assert end <= transcription.seconds
    assert transcription.text.split() == [
        word for segment in transcription.segments for word in segment.text.split()
    ]
    for number, segment in enumerate(transcription.segments, start=1):
        assert segment.nbest.id == f"audio#{number}"
        window = {"of": "audio", "number": number, "count": len(transcription.segments)}
        assert segment.nbest.meta["window"] == window


def test_windows_can_be_shorter_but_not_longer(robustger: RobustGER) -> None:
    transcription = robustger.transcribe(babble(1.8, 1), window_seconds=0.7)
    assert len(transcription.segments) >= 3
    for window_seconds in (0.0, WINDOW_SECONDS + 0.5):
        with pytest.raises(InputError, match=r"choose 0\.1 to 2 s"):
            robustger.transcribe(babble(1.8, 1), window_seconds=window_seconds)


def test_many_files_come_in_order_and_as_if_alone(robustger: RobustGER, tmp_path: Path) -> None:
    files = []
    for number in range(20):
        files.append(tmp_path / f"u{number}.wav")
        if number % 4 == 3:
            save_broken(files[-1], number)
        else:
            save_babble(files[-1], 0.3 + 0.05 * number, number)
    seconds: list[float] = []
    results = list(robustger.transcribe_files(files, on_progress=seconds.append))
    assert [result.audio for result in results] == list(map(str, files))
    for number, (file, result) in enumerate(zip(files, results, strict=True)):
        if number % 4 == 3:
            assert isinstance(result, Failure)
            assert result.message.startswith(f"{file}: ")
            with pytest.raises(AudioError):
                robustger.transcribe(file)
        else:
            assert isinstance(result, Transcription)
    good = [result for result in results if isinstance(result, Transcription)]
    assert sum(seconds) == pytest.approx(sum(result.seconds for result in good))
    for result in good[:2]:
        alone = robustger.transcribe(str(result.audio))
        assert alone.text == result.text
        assert alone.segments[0].nbest.texts == result.segments[0].nbest.texts


def test_bad_files_need_no_model(tmp_path: Path) -> None:
    def refuse() -> object:
        raise AssertionError("loaded")

    files = [tmp_path / f"{kind}.wav" for kind in range(5)]
    for kind, file in enumerate(files):
        save_broken(file, kind)
    robustger = RobustGER(refuse, refuse)  # type: ignore[arg-type]
    assert all(isinstance(result, Failure) for result in robustger.transcribe_files(files))


def test_hypotheses_are_written_as_the_corrector_knows_them(tiny_preset: Path, robustger: RobustGER) -> None:
    loud = RobustGER(
        lambda: robustger.recognizer,
        lambda: robustger.corrector,
        beams=6,
        normalizer="whisper",
        find_speech=False,
    )
    samples = babble(1.0, 4)
    raw, written = robustger.transcribe(samples).segments[0], loud.transcribe(samples).segments[0]
    from robustger import normalize

    assert written.nbest.texts == tuple(normalize(text, "whisper") for text in raw.nbest.texts)
    assert written.nbest.meta["recognized"] == raw.nbest.best


def test_arguments_go_before_the_preset(tiny_preset: Path, robustger: RobustGER) -> None:
    other = RobustGER.from_preset(tiny_preset, recognizer=robustger.recognizer, n=3, beams=3)
    assert other.recognizer is robustger.recognizer
    assert len(other.transcribe(babble(1.0, 1)).segments[0].nbest.hypotheses) == 3
    assert RobustGER.from_preset(tiny_preset, n=8).beams == 8
    assert RobustGER.from_preset(tiny_preset, recognizer="ctc", model="somewhere").beams is None
    for arguments, message in [
        ({"recognizer": "ctc"}, "recognizer 'ctc' needs a model"),
        ({"recognizer": "parrot", "model": "m"}, "unknown recognizer 'parrot'; choose one of: "),
        ({"n": 5, "beams": 2}, "beams = 2: n = 5 hypotheses"),
        ({"n": 0}, "n = 0"),
    ]:
        with pytest.raises(InputError, match=message):
            RobustGER.from_preset(tiny_preset, **arguments)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_single_path_is_one_file_and_not_its_letters(tmp_path: Path, kind: type) -> None:
    def refuse() -> object:
        raise AssertionError("loaded")

    missing = kind(tmp_path / "none.wav")
    (result,) = RobustGER(refuse, refuse).transcribe_files(missing)  # type: ignore[arg-type]
    assert isinstance(result, Failure)
    assert result.audio == str(missing)
