"""Samples stand at the time at which a player plays them, and every loss is reported."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures_audio import encoded, speech_like
from tests.fixtures_video import muxed

from robustger.audio import SAMPLE_RATE, AudioError, ReadingOptions, probe_audio, read_audio, stream_audio

SPEECH = speech_like(2.0)
SPEECH_48K = speech_like(2.0, 48_000)
GO_ON = ReadingOptions(keep_going=True)


def read(content: bytes, **arguments: object) -> np.ndarray:
    return read_audio(io.BytesIO(content), **arguments)  # type: ignore[arg-type]


def sound_begins(samples: np.ndarray, after: float = 0.0) -> float:
    """When, in seconds, it is no longer silent."""
    first = round(after * SAMPLE_RATE)
    return after + int(np.argmax(np.abs(samples[first:]) > 0.01)) / SAMPLE_RATE


def delay(samples: np.ndarray, reference: np.ndarray) -> float:
    """By how many seconds a recording lags behind another, by their correlation."""
    size = 2 << (len(samples) + len(reference)).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(reference, size))
    at = int(np.argmax(np.fft.irfft(spectrum, size)))
    return (at if at < size // 2 else at - size) / SAMPLE_RATE


class TestTimeLine:
    @pytest.mark.parametrize(
        ("container", "codec"),
        [
            ("mp4", "aac"),
            ("matroska", "libopus"),
            ("matroska", "flac"),
            ("mov", "pcm_s16le"),
            ("mpegts", "aac"),
        ],
    )
    def test_sound_that_begins_late_in_a_video(self, container: str, codec: str) -> None:
        samples = read(muxed(container, codec, [[(4.0, SPEECH_48K)]], video=(0, 6)))
        assert sound_begins(samples) == pytest.approx(4.0, abs=0.06)  # the priming of AAC lies before it
        assert not samples[: round(3.9 * SAMPLE_RATE)].any()
        found = read(muxed(container, codec, [[(4.0, SPEECH_48K)]], video=(0, 6)), start=4.0, end=5.0)
        assert np.array_equal(found, samples[4 * SAMPLE_RATE : 5 * SAMPLE_RATE])

    @pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus")])
    def test_sound_alone_that_begins_late(self, container: str, codec: str) -> None:
        samples = read(muxed(container, codec, [[(4.0, SPEECH_48K)]]))
        assert sound_begins(samples) == pytest.approx(4.0, abs=0.06)

    def test_a_broadcast_whose_clock_began_long_before(self) -> None:
        samples = read(muxed("mpegts", "aac", [[(3604.0, SPEECH_48K)]], video=(3600, 3606)))
        assert sound_begins(samples) == pytest.approx(4.0, abs=0.06)

    @pytest.mark.parametrize(
        ("container", "codec"), [("mp4", "aac"), ("matroska", "libopus"), ("mpegts", "aac")]
    )
    def test_pauses_in_the_time_stamps_are_silence(self, container: str, codec: str) -> None:
        warnings: list[str] = []
        content = muxed(container, codec, [[(0.0, SPEECH_48K), (5.0, SPEECH_48K)]])
        samples = read(content, on_warning=warnings.append)
        assert not samples[round(2.2 * SAMPLE_RATE) : round(4.9 * SAMPLE_RATE)].any()
        assert sound_begins(samples, 2.2) == pytest.approx(5.0, abs=0.06)
        assert len(samples) / SAMPLE_RATE == pytest.approx(7.0, abs=0.06)
        assert warnings == []

    @given(gap=st.floats(0.1, 20), begin=st.floats(0, 20))
    @settings(max_examples=10, deadline=None)
    def test_any_pause_and_any_beginning(self, gap: float, begin: float) -> None:
        second = begin + 2 + gap
        samples = read(muxed("matroska", "flac", [[(begin, SPEECH_48K), (second, SPEECH_48K)]], video=(0, 1)))
        assert delay(samples[: round((begin + 2) * SAMPLE_RATE)], SPEECH) == pytest.approx(begin, abs=0.05)
        rest = round((begin + 2) * SAMPLE_RATE)
        assert delay(samples[rest:], SPEECH) == pytest.approx(second - begin - 2, abs=0.08)

    def test_a_damaged_time_stamp_costs_no_memory(self) -> None:
        content = muxed("matroska", "flac", [[(0.0, SPEECH_48K), (90_000.0, SPEECH_48K)]])
        with pytest.raises(AudioError, match="time stamps go on"):
            read(content)
        assert len(read(content, options=GO_ON)) < 5 * SAMPLE_RATE

    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
    def test_priming_is_no_silence(self, kind: str) -> None:
        assert abs(delay(read(encoded(SPEECH, kind=kind)), SPEECH)) < 0.001


class TestJoined:
    @pytest.mark.parametrize(
        "between", [b"", b"ID3\x04\x00\x00\x00\x00\x00\x20" + bytes(32), bytes(700), b"junk" * 13]
    )
    def test_mp3(self, between: bytes) -> None:
        other = speech_like(1.5, seed=5)
        content = encoded(SPEECH, kind="MP3") + between + encoded(other, kind="MP3") + b"TAG" + bytes(125)
        samples = read(content)
        assert len(samples) == pytest.approx(3.5 * SAMPLE_RATE, abs=2)
        assert abs(delay(samples[2 * SAMPLE_RATE :], other)) < 0.001
        assert probe_audio(io.BytesIO(content)).seconds == pytest.approx(3.5, abs=1e-3)

    @pytest.mark.parametrize("kind", ["MP3", "OGG", "WAV", "FLAC"])
    def test_each_part_at_its_own_rate_and_channels(self, kind: str) -> None:
        other = speech_like(1.5, 24_000, seed=5)
        content = encoded(SPEECH, kind=kind) + encoded(np.stack([other, other], 1), 24_000, kind)
        samples = read(content)
        assert len(samples) == pytest.approx(3.5 * SAMPLE_RATE, abs=2)
        assert abs(delay(samples[2 * SAMPLE_RATE :], speech_like(1.5, seed=5))) < 0.001

    @pytest.mark.parametrize(
        ("container", "codec"), [("adts", "aac"), ("mp4", "aac"), ("matroska", "flac"), ("mpegts", "aac")]
    )
    def test_what_ffmpeg_writes(self, container: str, codec: str) -> None:
        parts = [
            muxed(container, codec, [[(0.0, speech_like(2.0, rate))]], rate=rate) for rate in (48_000, 24_000)
        ]
        samples = read(parts[0] + parts[1])
        assert len(samples) / SAMPLE_RATE == pytest.approx(4.0, abs=0.15)
        assert sound_begins(samples, 2.1) < 2.3

    @pytest.mark.parametrize("front", [bytes(200), b"\x12\x34" * 150])
    def test_bytes_in_front_of_an_mp3(self, front: bytes) -> None:
        content = encoded(SPEECH, kind="MP3")
        assert np.array_equal(read(front + content), read(content))

    def test_an_mp3_that_begins_within_a_frame(self) -> None:
        samples = read(encoded(SPEECH, kind="MP3")[500:])
        assert 1.7 < len(samples) / SAMPLE_RATE < 2.1


def damaged_bytes(content: bytes, share: float, count: int, seed: int = 0) -> bytes:
    at = int(len(content) * share)
    return content[:at] + np.random.default_rng(seed).bytes(count) + content[at + count :]


class TestDamage:
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(lambda: encoded(speech_like(6), kind="MP3"), id="mp3"),
            pytest.param(lambda: encoded(speech_like(6), kind="FLAC"), id="flac"),
            pytest.param(lambda: encoded(speech_like(6), kind="OGG"), id="vorbis"),
            pytest.param(lambda: encoded(speech_like(6), kind="OGG", subtype="OPUS"), id="opus"),
            pytest.param(lambda: muxed("mp4", "aac", [[(0.0, speech_like(6, 48_000))]]), id="m4a"),
            pytest.param(lambda: muxed("adts", "aac", [[(0.0, speech_like(6, 48_000))]]), id="aac"),
        ],
    )
    def test_the_time_is_said_and_the_rest_can_be_read(self, content: object) -> None:
        whole = content()  # type: ignore[operator]
        broken = damaged_bytes(whole, 0.5, len(whole) // 20)
        with pytest.raises(AudioError, match=r"damaged at [1-3]\.\d s: .*--keep-going"):
            read(broken)
        warnings: list[str] = []
        samples = read(broken, options=GO_ON, on_warning=warnings.append)
        [warning] = warnings
        assert "damaged at" in warning
        assert "missing" in warning
        assert len(samples) == pytest.approx(len(read(whole)), abs=0.08 * SAMPLE_RATE)
        tail = samples[-2 * SAMPLE_RATE :]  # is heard when it was heard before
        assert abs(delay(tail, read(whole)[len(samples) - len(tail) :])) < 0.03

    def test_what_is_missing_in_the_middle_is_not_missing_at_the_end_too(self) -> None:
        whole = encoded(speech_like(6), kind="FLAC")
        warnings: list[str] = []
        read(damaged_bytes(whole, 0.5, 600), options=GO_ON, on_warning=warnings.append)
        [warning] = warnings
        assert warning.count("missing") == 1

    def test_frames_taken_out_of_an_mp3(self) -> None:
        whole = encoded(speech_like(6), kind="MP3")
        broken = whole[: len(whole) // 2] + whole[len(whole) // 2 + 2000 :]
        with pytest.raises(AudioError, match=r"damaged at \d\.\d s"):
            read(broken)
        tail = read(broken, options=GO_ON)[-2 * SAMPLE_RATE :]
        assert abs(delay(tail, read(whole)[-2 * SAMPLE_RATE :])) < 0.05

    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
    def test_what_was_cut_off_can_be_read(self, kind: str) -> None:
        whole = encoded(speech_like(6), kind=kind)
        warnings: list[str] = []
        samples = read(whole[: len(whole) * 6 // 10], options=GO_ON, on_warning=warnings.append)
        assert len(samples) > SAMPLE_RATE
        assert np.allclose(samples[: SAMPLE_RATE // 2], read(whole)[: SAMPLE_RATE // 2], atol=1e-3)
        assert len(warnings) >= 1
        assert all(each.startswith("audio: ") for each in warnings)


class TestTracksAndChannels:
    TWO = muxed("matroska", "flac", [[(0.0, SPEECH_48K)], [(0.0, speech_like(2.0, 48_000, seed=9) * 0.5)]])

    def test_a_track_is_chosen(self) -> None:
        first, second = (read(self.TWO, options=ReadingOptions(track=track)) for track in (1, 2))
        assert np.array_equal(read(self.TWO), first)
        assert np.abs(second).max() == pytest.approx(0.25, abs=0.02)
        assert probe_audio(io.BytesIO(self.TWO)).tracks == 2
        with pytest.raises(AudioError, match=r"track 3 .*2 audio tracks"):
            read(self.TWO, options=ReadingOptions(track=3))

    def test_a_channel_is_chosen(self) -> None:
        content = encoded(np.stack([SPEECH, SPEECH * 0.5], 1))
        assert np.allclose(read(content, options=ReadingOptions(channel=2)), SPEECH * 0.5, atol=1e-4)
        assert np.allclose(read(content), SPEECH * 0.75, atol=1e-4)
        with pytest.raises(AudioError, match=r"channel 3 .*2 channels"):
            read(content, options=ReadingOptions(channel=3))

    def test_channels_that_cancel_out(self) -> None:
        content = encoded(np.stack([SPEECH, -SPEECH], 1))
        with pytest.raises(AudioError, match="cancel each other out"):
            read(content)
        assert np.allclose(read(content, options=ReadingOptions(channel=1)), SPEECH, atol=1e-4)

    def test_silence_with_an_offset_is_silence(self) -> None:
        with pytest.raises(AudioError, match="silent"):
            read(encoded(np.full(48_000, 0.01, np.float32), 44_100, "FLAC"))


class TestStream:
    @pytest.mark.parametrize("rate", [16_000, 44_100])
    @pytest.mark.parametrize("block_seconds", [0.1, 0.77, 60.0])
    def test_it_is_the_same_samples(self, rate: int, block_seconds: float) -> None:
        content = encoded(speech_like(2.0, rate), rate, "FLAC")
        blocks = list(stream_audio(io.BytesIO(content), block_seconds=block_seconds))
        assert {len(block) for block in blocks[:-1]} <= {round(block_seconds * SAMPLE_RATE)}
        assert np.array_equal(np.concatenate(blocks), read(content))

    def test_memory_does_not_grow_with_the_recording(self, tmp_path: Path) -> None:
        peaks = []
        for minutes in (4, 16):
            path = tmp_path / f"{minutes}.wav"
            path.write_bytes(encoded(np.tile(SPEECH, minutes * 30)))
            tracemalloc.start()
            assert sum(map(len, stream_audio(path))) == minutes * 60 * SAMPLE_RATE
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < 1.1 * peaks[0] < 40e6

    def test_silence_is_told_at_the_end(self) -> None:
        blocks = stream_audio(io.BytesIO(encoded(np.zeros(80_000))), block_seconds=1)
        assert len(next(blocks)) == SAMPLE_RATE
        with pytest.raises(AudioError, match="silent"):
            list(blocks)


class TestHarmless:
    @pytest.mark.parametrize(
        "text",
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-VERSION:3\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '{path}'\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{path}</BaseURL></MPD>',
            "[playlist]\nFile1={path}\n", "{path}\n",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("suffix", ["m3u8", "ffconcat", "sdp", "mpd", "wav"])
    def test_texts_that_name_files_are_not_followed(self, tmp_path: Path, text: str, suffix: str) -> None:
        (tmp_path / "speech.wav").write_bytes(encoded(SPEECH))
        listed = tmp_path / f"list.{suffix}"
        listed.write_text(text.format(path=tmp_path / "speech.wav"))
        with pytest.raises(AudioError, match="not audio"):
            read_audio(listed)

    @pytest.mark.parametrize(
        "field", [slice(22, 24), slice(24, 28), slice(28, 32), slice(40, 44), slice(4, 8)]
    )
    def test_headers_that_promise_too_much(self, field: slice) -> None:
        content = bytearray(encoded(SPEECH))
        content[field] = b"\xf0" * (field.stop - field.start)
        try:
            samples = read(bytes(content), options=GO_ON)
        except AudioError:
            return
        assert len(samples) < 10 * len(SPEECH)

    def test_names_that_are_not_utf_8(self, tmp_path: Path) -> None:
        name = os.fsencode(tmp_path) + b"/gr\xfc\xdfe.wav"
        path = os.fsdecode(name)
        with open(name, "wb") as file:
            file.write(encoded(SPEECH))
        assert len(read_audio(path)) == len(SPEECH)
        command = [sys.executable, "-m", "robustger", "transcribe", "--preset", "lab", path]
        os.truncate(name, 20_000)
        environment = os.environ | {"PYTHONUTF8": "1"}
        done = subprocess.run(command, capture_output=True, env=environment)
        assert b"truncated or damaged" in done.stderr
        assert b"Traceback" not in done.stderr
        assert done.returncode == 1
