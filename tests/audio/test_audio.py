"""Recordings are read whole, whatever they are stored as, or not at all."""

from __future__ import annotations

import functools
import io
import itertools
import os
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.fixtures_audio import encoded, speech_like

from robustger.audio import (
    SAMPLE_RATE,
    AudioError,
    probe_audio,
    read_audio,
    to_mono_16k,
    windows,
)
from robustger.audio.containers import missing_end
from robustger.audio.frames import Run, runs_of_frames

SPEECH = speech_like(1.5)
STEREO_44K = np.stack([speech_like(1.5, 44_100, seed=seed) for seed in (1, 2)], axis=1)


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Signal-to-difference ratio in dB, over what both have."""
    n = min(len(a), len(b))
    return float(10 * np.log10(np.sum(a[:n] ** 2) / (np.sum((a[:n] - b[:n]) ** 2) + 1e-12)))


def ffmpeg_file(
    container: str, codec: str, sample_rate: int = 48_000, options: dict[str, str] | None = None
) -> bytes:
    """One and a half seconds of mono speech in a container that libsndfile does not read."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        stream: Any = output.add_stream(codec, rate=sample_rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(speech_like(1.5, sample_rate)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = sample_rate, 0
        convert = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=sample_rate, frame_size=stream.frame_size or 0
        )
        for part in [*convert.resample(frame), *convert.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


def scan_mpeg(content: bytes) -> Run | None:
    """The one run of frames that an MP3 file is, None where it has none."""
    runs = runs_of_frames(io.BytesIO(content), len(content))
    return runs[0] if len(runs) == 1 else None


@functools.cache
def speech_file(kind: str, subtype: str | None = None) -> bytes:
    return encoded(SPEECH[:8000], kind=kind, subtype=subtype)


@functools.cache
def without_first_frame(mp3: bytes) -> bytes:
    """An MP3 file without the tag that states its length."""
    for position in range(4, len(mp3)):
        scan = scan_mpeg(mp3[position:])
        if scan is not None and scan.frames > 10:
            return mp3[position:]
    raise AssertionError("one frame only")


def ogg_pages(content: bytes) -> list[bytes]:
    pages = []
    while content:
        lengths = content[27 : 27 + content[26]]
        end = 27 + len(lengths) + sum(lengths)
        pages.append(content[:end])
        content = content[end:]
    return pages


def ogg_page(old: bytes, flags: int, number: int, lengths: bytes, body: bytes) -> bytes:
    """The page `old` with other flags, number and content, and the checksum that goes with them."""
    head = old[:5] + bytes([flags]) + old[6:18] + number.to_bytes(4, "little")
    tail = bytes([len(lengths)]) + lengths + body
    # Ogg's CRC-32 is zlib's polynomial, the bits the other way round, and no inversion before or after.
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in head + bytes(4) + tail)
    checksum = int(f"{zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)
    return head + checksum.to_bytes(4, "little") + tail


def without_end_flag(ogg: bytes) -> bytes:
    *pages, last = ogg_pages(ogg)
    count = last[26]
    assert last[5] & 4
    assert ogg_page(last, last[5], len(pages), last[27 : 27 + count], last[27 + count :]) == last
    return b"".join(pages) + ogg_page(
        last, last[5] & ~4, len(pages), last[27 : 27 + count], last[27 + count :]
    )


def with_a_packet_on_two_pages(ogg: bytes) -> tuple[bytes, int]:
    """The same stream, one page divided within its first packet, and where in the file."""
    pages: list[bytes] = []
    divided_at = 0
    for page in ogg_pages(ogg):
        lengths, body = page[27 : 27 + page[26]], page[27 + page[26] :]
        if not divided_at and len(pages) > 1 and lengths[0] == 255:
            no_packet_ends = page[:6] + b"\xff" * 8 + page[14:]
            pages.append(ogg_page(no_packet_ends, page[5], len(pages), lengths[:1], body[:255]))
            divided_at = sum(map(len, pages))
            lengths, body, page = lengths[1:], body[255:], page[:5] + bytes([page[5] | 1]) + page[6:]
        pages.append(ogg_page(page, page[5], len(pages), lengths, body))
    return b"".join(pages), divided_at


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


class TestBrokenFiles:
    def test_each_gives_one_line_that_names_it(
        self, broken_audio: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for path in sorted(broken_audio.iterdir()):
            with pytest.raises(AudioError) as caught:
                read_audio(path)
            message = str(caught.value)
            assert message.startswith(f"{path}: "), message
            assert len(message.splitlines()) == 1
            assert caught.value.exit_code == 2
        assert capfd.readouterr() == ("", "")  # nor do the libraries say anything

    def test_what_is_wrong_is_said(self, broken_audio: Path) -> None:
        for part, why in {
            "percent": "truncated", "missing": "truncated", "header-only": "truncated", "damaged": "damaged",
            "no-": "empty", "silent": "silent", "dither": "silent", "nan": "NaN", "text": "not audio",
        }.items():  # fmt: skip
            for path in broken_audio.glob(f"*{part}*"):
                with pytest.raises(AudioError, match=f": .*{why}"):
                    read_audio(path)

    def test_probing_finds_out_about_most(self, broken_audio: Path) -> None:
        passed = set()
        for path in broken_audio.iterdir():
            try:
                probe_audio(path)
            except AudioError:
                continue
            passed.add(path.name.rsplit("-", 1)[-1])
        # Content is not looked at, and FLAC does not say how many bytes it has.
        assert passed <= {
            "silent.wav",
            "silent.ogg",
            "dither.flac",
            "nan.wav",
            "infinite.wav",
            "damaged.flac",
            "lossless.flac",
        }

    @pytest.mark.parametrize("name", [".", "missing.wav", "zero\0byte.wav", "x.wav/y.wav"])
    def test_what_cannot_be_opened(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(AudioError, match="cannot be read"):
            read_audio(f"{tmp_path}/{name}")

    @pytest.mark.parametrize("value", [None, 3, io.StringIO("RIFF"), [0.5]])
    def test_what_is_no_file(self, value: object) -> None:
        with pytest.raises(AudioError, match="a path or an open binary file is needed, not a "):
            read_audio(value)  # type: ignore[arg-type]

    def test_samples_without_a_header(self, tmp_path: Path) -> None:
        (tmp_path / "samples.raw").write_bytes(SPEECH.tobytes())
        with pytest.raises(AudioError, match="not audio"):
            read_audio(tmp_path / "samples.raw")

    @pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
    @pytest.mark.parametrize("flagged", [True, False])
    def test_an_ogg_shows_every_cut_that_is_not_between_pages(self, subtype: str, flagged: bool) -> None:
        content = speech_file("OGG", subtype)
        content = content if flagged else without_end_flag(content)
        pages = ogg_pages(content)
        ends = {sum(map(len, pages[:count])) for count in range(1, len(pages) + 1)}
        assert ends == {
            cut
            for cut in range(4, len(content) + 1)
            if missing_end(io.BytesIO(content[:cut]), 0, cut) is None
        }

    def test_an_ogg_shows_a_cut_between_the_pages_of_one_packet(self) -> None:
        content = encoded(STEREO_44K, 44_100, "OGG")
        divided, cut = with_a_packet_on_two_pages(content)
        assert cut > 0
        assert np.array_equal(read_audio(io.BytesIO(divided)), read_audio(io.BytesIO(content)))
        with pytest.raises(AudioError, match="truncated"):
            read_audio(io.BytesIO(divided[:cut]))

    @pytest.mark.parametrize(
        ("kind", "subtype"),
        [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("RF64", None), ("W64", None), ("AIFF", None), ("AU", None),
         ("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)],
    )  # fmt: skip
    @given(share=st.floats(0, 1, exclude_max=True))
    @settings(max_examples=25)
    def test_cut_off_anywhere(self, kind: str, subtype: str | None, share: float) -> None:
        content = speech_file(kind, subtype)
        if kind == "OGG":  # between pages nothing shows
            ends = itertools.accumulate(map(len, ogg_pages(content)))
            assume(int(share * len(content)) not in ends)
        with pytest.raises(AudioError):
            read_audio(io.BytesIO(content[: int(share * len(content))]))

    @pytest.mark.parametrize("more", [1, 2, 3])
    def test_an_mp3_without_a_stated_length_cut_within_a_header(self, more: int) -> None:
        content = without_first_frame(speech_file("MP3"))
        half = scan_mpeg(content[: len(content) // 2])
        assert half is not None
        read_audio(io.BytesIO(content[: half.end]))
        with pytest.raises(AudioError, match="truncated"):
            read_audio(io.BytesIO(content[: half.end + more]))

    @given(share=st.floats(0.05, 1, exclude_max=True))
    @settings(max_examples=25)
    def test_an_mp3_without_a_stated_length_cut_within_a_frame(self, share: float) -> None:
        content = without_first_frame(speech_file("MP3"))
        cut = content[: int(share * len(content))]
        scan = scan_mpeg(cut)
        if scan is not None and scan.end != len(cut):  # at the end of a frame nothing shows
            with pytest.raises(AudioError, match="truncated"):
                read_audio(io.BytesIO(cut))

    @pytest.mark.parametrize(
        ("container", "codec", "options"),
        [
            ("mp4", "aac", None),
            ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
            ("webm", "libopus", None),
        ],
    )
    @pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
    def test_cut_off_containers_of_ffmpeg(
        self, container: str, codec: str, options: dict[str, str] | None, share: float
    ) -> None:
        content = ffmpeg_file(container, codec, options=options)
        with pytest.raises(AudioError, match="truncated"):
            read_audio(io.BytesIO(content[: int(share * len(content))]))

    def test_a_video_without_sound(self) -> None:
        import av

        file = io.BytesIO()
        with av.open(file, "w", format="matroska") as output:
            stream = output.add_stream("ffv1", rate=25, width=16, height=16, pix_fmt="yuv420p")
            output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            output.mux(stream.encode(None))
        with pytest.raises(AudioError, match="no audio stream"):
            read_audio(io.BytesIO(file.getvalue()))

    @given(
        content=st.binary(max_size=600),
        head=st.sampled_from(
            [
                b"",
                b"RIFF\x00\x02\x00\x00WAVE",
                b"fLaC",
                b"OggS",
                b"ID3",
                b"\x00\x00\x00\x10ftyp",
                b"\x1aE\xdf\xa3",
            ]
        ),
    )
    @settings(max_examples=100)
    def test_no_bytes_whatever_raise_anything_else(self, head: bytes, content: bytes) -> None:
        try:
            samples = read_audio(io.BytesIO(head + content))
        except AudioError:
            return
        assert samples.dtype == np.float32

    @pytest.mark.parametrize("sample_rate", [1, 10, 2_000_000_000])
    def test_an_absurd_sample_rate(self, sample_rate: int) -> None:
        content = bytearray(encoded(SPEECH))
        content[24:28] = sample_rate.to_bytes(4, "little")
        with pytest.raises(AudioError, match="sample rate"):
            read_audio(io.BytesIO(content))

    def test_errors_cross_processes(self) -> None:
        error = pickle.loads(pickle.dumps(AudioError("a.wav", "silent")))
        assert (type(error), str(error), error.problem) == (AudioError, "a.wav: silent", "silent")


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
