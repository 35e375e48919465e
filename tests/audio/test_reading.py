"""Audio files of every kind are read as 16 kHz mono."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.sample_files import SPEECH, STEREO_44K, ffmpeg_file, scan_mpeg, similarity
from tests.audio.test_broken_files import ogg_pages, without_end_flag, without_first_frame
from tests.fixtures_audio import encoded, speech_like

from robustger.audio import (
    SAMPLE_RATE,
    AudioError,
    probe_audio,
    read_audio,
    to_mono_16k,
    windows,
)


class TestReading:
    @pytest.mark.parametrize(
        ("kind", "subtype"),
        [
            ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"),
            ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("W64", "PCM_16"),
            ("RF64", "PCM_16"), ("CAF", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
        ],
    )  # fmt: skip
    def test_every_kind_of_file_gives_the_same_recording(
        self, tmp_path: Path, kind: str, subtype: str
    ) -> None:
        path = tmp_path / "speech"
        path.write_bytes(encoded(SPEECH, kind=kind, subtype=subtype))
        samples = read_audio(path)
        assert samples.dtype == np.float32
        assert samples.shape == SPEECH.shape
        assert similarity(SPEECH, samples) > (10 if kind in ("OGG", "MP3") else 30)
        assert probe_audio(path).seconds == pytest.approx(1.5)

    @pytest.mark.parametrize(
        ("container", "codec", "options"),
        [
            ("mp4", "aac", None), ("ipod", "aac", None), ("mov", "pcm_s16le", None), ("webm", "libopus", None),
            ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}), ("matroska", "flac", None),
            ("adts", "aac", None), ("avi", "libmp3lame", None), ("mpegts", "aac", None), ("ogg", "flac", None),
        ],
    )  # fmt: skip
    def test_containers_that_ffmpeg_reads(
        self, container: str, codec: str, options: dict[str, str] | None
    ) -> None:
        samples = read_audio(io.BytesIO(ffmpeg_file(container, codec, options=options)))
        assert len(samples) / SAMPLE_RATE == pytest.approx(
            1.5, abs=0.08
        )  # lossy codecs fill up their last frame
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        assert np.argmax(spectrum) * SAMPLE_RATE / len(samples) == pytest.approx(140, abs=2)

    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
    def test_stereo_at_44100_hz(self, kind: str) -> None:
        samples = read_audio(io.BytesIO(encoded(STEREO_44K, 44_100, kind)))
        assert len(samples) == 24_000
        assert similarity(to_mono_16k(STEREO_44K, 44_100), samples) > (10 if kind in ("OGG", "MP3") else 60)

    def test_the_suffix_does_not_matter(self, tmp_path: Path) -> None:
        for name in ("speech.mp3", "speech.vox", "speech.txt", "no suffix", "Größe 声.flac"):
            (tmp_path / name).write_bytes(encoded(SPEECH))
            assert np.array_equal(read_audio(tmp_path / name), read_audio(io.BytesIO(encoded(SPEECH))))

    @pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
    def test_a_wav_written_into_a_pipe_has_no_length_and_is_read(self, size: int) -> None:
        streamed = bytearray(encoded(SPEECH))
        streamed[4:8] = streamed[40:44] = size.to_bytes(4, "little")
        assert len(read_audio(io.BytesIO(streamed))) == len(SPEECH)

    def test_a_flac_written_into_a_pipe_has_no_length_and_is_read(self) -> None:
        streamed = bytearray(encoded(SPEECH, kind="FLAC"))
        streamed[21] &= 0xF0
        streamed[22:26] = bytes(4)
        assert np.array_equal(
            read_audio(io.BytesIO(streamed)), read_audio(io.BytesIO(encoded(SPEECH, kind="FLAC")))
        )

    def test_a_vorbis_stream_without_the_flag_of_its_end_is_the_same_recording(self) -> None:
        content = encoded(SPEECH, kind="OGG")
        unflagged, whole = read_audio(io.BytesIO(without_end_flag(content))), read_audio(io.BytesIO(content))
        assert np.array_equal(unflagged[: len(whole)], whole)
        assert len(unflagged) - len(whole) < 1024  # the flag tells where in the last block the sound ends
        assert probe_audio(io.BytesIO(without_end_flag(content))).seconds == pytest.approx(1.5)

    @pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
    def test_an_ogg_that_a_recorder_wrote_page_by_page_is_read_to_its_last_page(self, subtype: str) -> None:
        content = encoded(speech_like(4), kind="OGG", subtype=subtype)
        pages = ogg_pages(content)
        assert len(pages) > 4
        whole = read_audio(io.BytesIO(content))
        for count in range(3, len(pages)):
            part = read_audio(io.BytesIO(b"".join(pages[:count])))
            assert len(part) > 0
            inner = len(part) - 50  # resampling looks ahead
            assert np.allclose(part[:inner], whole[:inner], atol=2e-3)

    def test_the_frames_of_an_mp3(self) -> None:
        content = encoded(SPEECH, kind="MP3")
        scan = scan_mpeg(content)
        assert scan is not None
        assert scan.stated_frames == scan.frames - 1
        assert scan.end == len(content)
        assert 1.5 <= scan.seconds <= 1.5 + 4 * 0.036

    def test_an_mp3_without_a_stated_length_and_with_tags(self) -> None:
        tags = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128), b"TAG" + bytes(125)
        content = tags[0] + without_first_frame(encoded(SPEECH, kind="MP3")) + tags[1]
        assert abs(len(read_audio(io.BytesIO(content))) - len(SPEECH)) < 0.15 * SAMPLE_RATE
        assert probe_audio(io.BytesIO(content)).seconds == pytest.approx(1.5, abs=0.15)

    def test_an_mp3_of_constant_bit_rate_needs_no_stated_length(self) -> None:
        content = ffmpeg_file("mp3", "libmp3lame", 44_100, {"write_xing": "0"})
        assert len(read_audio(io.BytesIO(content))) == pytest.approx(len(SPEECH), abs=0.1 * SAMPLE_RATE)

    def test_a_pipe(self) -> None:
        reader, writer = os.pipe()
        with open(reader, "rb") as source:
            with open(writer, "wb") as sink:
                sink.write(encoded(SPEECH[:8000]))
            assert len(read_audio(source)) == 8000

    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
    @given(times=st.tuples(st.floats(0, 1.45), st.floats(0.04, 1.5)))
    @settings(max_examples=15)
    def test_a_part_is_the_same_samples(self, kind: str, times: tuple[float, float]) -> None:
        content = encoded(SPEECH, kind=kind)
        start, end = times[0], min(times[0] + times[1], 1.5)
        part = read_audio(io.BytesIO(content), start=start, end=end)
        whole = read_audio(io.BytesIO(content))[round(start * 16000) : round(end * 16000)]
        assert part.shape == whole.shape
        assert np.allclose(
            part, whole, atol=2e-3
        )  # a lossy decoder that begins in the middle rounds differently

    def test_a_part_of_what_ffmpeg_reads(self) -> None:
        content = ffmpeg_file("matroska", "flac", 16_000)
        whole = read_audio(io.BytesIO(content))
        assert np.array_equal(read_audio(io.BytesIO(content), start=0.5, end=1.0), whole[8000:16000])
        with pytest.raises(AudioError, match=r"is 1\.500 s long"):
            read_audio(io.BytesIO(content), start=0.5, end=1.7)

    @pytest.mark.parametrize(
        ("start", "end"), [(1.5, None), (2, 3), (0, 1.7), (-1, 1), (1, 1), (1, 0.5), (float("nan"), 1)]
    )
    @pytest.mark.parametrize("kind", ["WAV", "MP3"])
    def test_a_part_that_is_not_there(self, kind: str, start: float, end: float | None) -> None:
        with pytest.raises(AudioError, match=r"^audio: .*(1\.5\d* s long|0 <= start < end)"):
            read_audio(io.BytesIO(encoded(SPEECH, kind=kind)), start=start, end=end)

    def test_rounded_ends_of_segment_lists_are_taken(self) -> None:
        assert len(read_audio(io.BytesIO(encoded(SPEECH)), start=1, end=1.55)) == 8000


def shared_recordings() -> Iterator[Any]:
    root = os.environ.get("ROBUSTGER_DATA")
    patterns = ("noizeus/clean/*.wav", "noizeus/noisy/car_0dB/*.wav", "speechocean762/test/*.ogg",
                "noisy_librispeech/*.flac", "noise/esc10/rain/*.ogg", "noise/ms_snsd/*")  # fmt: skip
    for pattern in patterns:
        found = sorted(Path(root, "audio").glob(pattern))[:3] if root else []
        skip = pytest.mark.skip(reason="ROBUSTGER_DATA is not set" if not root else f"nothing at {pattern}")
        yield pytest.param(found, id=pattern, marks=() if found else skip)


@pytest.mark.parametrize("paths", list(shared_recordings()))
def test_real_recordings(paths: list[Path]) -> None:
    for path in paths:
        samples, info = read_audio(path), probe_audio(path)
        assert len(samples) / SAMPLE_RATE == pytest.approx(info.seconds, abs=1e-3)
        stored, rate = soundfile.read(path, dtype="float32")
        assert rate == info.sample_rate in (8_000, 16_000)
        assert np.allclose(samples[:: SAMPLE_RATE // rate][100:-100], stored[100:-100], atol=0.05)
        for window in windows(samples, 5):
            assert len(samples[window.samples]) <= 5 * SAMPLE_RATE
