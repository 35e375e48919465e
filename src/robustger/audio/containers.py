"""What the first bytes of a file say: which container it is, and how many bytes it promises to have.

Decoders read a file that was cut off up to the cut and call that the recording. The containers know better: most state
their length, and here it is compared with the bytes that are there.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

from robustger.audio.mpeg import scan_mpeg

HEAD = 16  # bytes that tell the containers apart

# Where the signature stands, the signature, and FFmpeg's name for the container. libsndfile reads none of these. The
# name is given to FFmpeg, which else guesses, and may take a text for a playlist and open what is named in it.
FFMPEG_CONTAINERS = (
    (4, b"ftyp", "mov"),  # m4a, mp4, mov, 3gp
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (0, b"\x1aE\xdf\xa3", "matroska"),  # webm, mkv, mka
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),  # wma, wmv
    (8, b"AVI ", "avi"),
    (0, b"FLV\x01", "flv"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"#!AMR", "amr"),
    (0, b"G@", "mpegts"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, b"wvpk", "wv"),
    (0, b"\x0bw", "ac3"),
)
# libsndfile's own containers, in which it does not know every codec.
SHARED_CONTAINERS = ((0, b"OggS", "ogg"), (0, b"RIFF", "wav"), (0, b"fLaC", "flac"), (0, b"caff", "caf"))

UNKNOWN_SIZE = (
    0x7FFF_0000  # 32-bit sizes from here on stand for "unknown", by programs that wrote into a pipe
)
LONGEST_OGG_PAGE = 65_307


def ffmpeg_container(head: bytes, known: tuple[tuple[int, bytes, str], ...]) -> str | None:
    """FFmpeg's name of the container that begins with `head`, None where it is none of `known`."""
    for offset, signature, name in known:
        if head[offset : offset + len(signature)] == signature:
            return name
    return None


def missing_end(file: BinaryIO, size: int) -> str | None:
    """What shows that a file was cut off or damaged, None where nothing does.

    Args:
        file: the file, seekable; its position is changed.
        size: how many bytes it has.
    """
    if _at(file, 0, 4) == b"OggS":
        return None if _ogg_has_end(file, size) else "its last page is missing or cut off"
    mpeg = scan_mpeg(file)
    if mpeg is not None:
        if mpeg.frames == 1 and mpeg.end < size:
            return "its first frame is followed by something else"
        if mpeg.stated_frames is not None and mpeg.stated_frames > mpeg.frames:
            return f"{mpeg.stated_frames:,} frames are promised, and {mpeg.frames:,} are there"
    promised = mpeg.end if mpeg is not None else _promised_bytes(file, size)
    if promised is None or promised <= size:
        return None
    return f"at least {promised:,} bytes are promised, and {size:,} are there"


def _promised_bytes(file: BinaryIO, size: int) -> int | None:
    """How long the file is at least by its own account; None where it gives none."""
    head = _at(file, 0, HEAD)
    if head[:4] == b"RIFF":
        if head[8:12] == b"WAVE":
            return _end_of_chunk(file, b"data", "<4sI")
        return _sum(8, _number(head[4:8], "little"))
    if head[:4] == b"FORM":
        return _end_of_chunk(file, b"SSND", ">4sI")
    if head[:4] == b"RF64":  # its sizes have 64 bits and stand in the chunk ds64, which comes first
        return 8 + int.from_bytes(_at(file, 20, 8), "little")
    if head[:4] == b".snd":
        return _sum(int.from_bytes(head[4:8], "big"), _number(head[8:12], "big"))
    if head[:4] == b"riff":  # Wave64
        return int.from_bytes(_at(file, 16, 8), "little")
    if head[:4] == b"\x1aE\xdf\xa3":
        return _end_of_matroska_segment(file)
    if ffmpeg_container(head, FFMPEG_CONTAINERS) == "mov":
        return _end_of_boxes(file, size)
    return None


def _end_of_chunk(file: BinaryIO, wanted: bytes, header: str) -> int | None:
    """Where the chunk `wanted` of a RIFF or AIFF file ends; what comes behind it is not sound."""
    position = 12
    while len(found := _at(file, position, 8)) == 8:
        name, length = struct.unpack(header, found)
        if name == wanted:
            return position + 8 + length if length < UNKNOWN_SIZE else None
        position += 8 + length + length % 2
    return position + 8  # cut off before the sound begins


def _end_of_boxes(file: BinaryIO, size: int) -> int | None:
    """Where the last box of an MP4 or QuickTime file ends."""
    position = 0
    while position < size:
        header = _at(file, position, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:  # the real one follows the name
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0: to the end of the file; others: no box
            return position + 8 if len(header) < 8 else None
        position += length
    return position


def _end_of_matroska_segment(file: BinaryIO) -> int | None:
    head = _at(file, 0, 128)
    after_header = _ebml_end(head, 4)
    if after_header is None or head[after_header : after_header + 4] != b"\x18\x53\x80\x67":
        return None
    return _ebml_end(head, after_header + 4)


def _ebml_end(head: bytes, position: int) -> int | None:
    """Where an element ends whose length is written at `position`; None where the length is "unknown" or cut off."""
    width = 9 - head[position].bit_length() if position < len(head) else 0
    if not 1 <= width <= 8 or position + width > len(head):
        return None
    unknown = (1 << 7 * width) - 1
    length = int.from_bytes(head[position : position + width], "big") & unknown
    return position + width + length if length != unknown else None


def _ogg_has_end(file: BinaryIO, size: int) -> bool:
    """Whether the file's last page is whole and, as far as it tells, the last of its stream.

    RFC 3533 asks for a flag on that page. Some programs that write page by page while they record leave it off: then
    the page has to end where the file ends, and a packet with it. So a cut within a page or a packet shows, and one
    between two pages, at the end of a packet, does not.
    """
    tail = _at(file, max(0, size - LONGEST_OGG_PAGE), LONGEST_OGG_PAGE)
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    lengths = page[27 : 27 + page[26]]  # of segments; one of 255 bytes says that its packet goes on
    end = 27 + page[26] + sum(lengths)
    if page[5] & 4:
        return end <= len(page)
    return end == len(page) and len(lengths) > 0 and lengths[-1] < 255


def _number(field: bytes, order: Literal["little", "big"]) -> int | None:
    value = int.from_bytes(field, order)
    return value if 0 < value < UNKNOWN_SIZE else None


def _sum(start: int, length: int | None) -> int | None:
    return None if length is None else start + length


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
