"""Broken audio files: each is refused with a reason, and none yields the wrong samples."""

from __future__ import annotations

import functools
import io
import itertools
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.audio.sample_files import SPEECH, STEREO_44K, ffmpeg_file, scan_mpeg, speech_file
from tests.fixtures_audio import encoded

from robustger.audio import (
    AudioError,
    probe_audio,
    read_audio,
)
from robustger.audio.containers import missing_end


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
