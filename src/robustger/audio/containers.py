"""Reads from the first bytes of a file which container it is and how many bytes it should have.

A decoder reads a truncated file up to its end, and does not report that something is missing. Most containers state
their length, so this module compares the stated length with the bytes in the file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, Literal

# The first bytes of files whose header says everything about the sound.
_PLAIN = ((0, b"RF64"), (0, b"riff"), (0, b"FORM"), (0, b".snd"), (0, b"fLaC"), (8, b"WAVE"))
# The first bytes of the other known containers.
_CONTAINERS = (
    (0, b"OggS"), (0, b"\x1aE\xdf\xa3"), (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (0, b"caff"),
    (0, b"RIFF"), (0, b"0&\xb2u\x8ef\xcf\x11"), (0, b"FLV\x01"), (0, b"#!AMR"), (0, b"\x00\x00\x01\xba"), (0, b"wvpk"),
)  # fmt: skip
_MATROSKA = b"\x1aE\xdf\xa3"
_FLAC = b"fLaC\0\0\0\x22"
_QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide")
_CHUNK = 1 << 20  # bytes searched at a time

UNKNOWN_SIZE = (
    0x7FFF_0000  # 32-bit sizes from here on stand for "unknown", by programs that wrote into a pipe
)
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
LONGEST_OGG_PAGE = 65_307


def describes_itself(head: bytes) -> bool:
    """Whether a file that begins with these 16 bytes has a header that says all about its sound."""
    return _begins(head, _PLAIN)


def is_container(head: bytes) -> bool:
    """Whether a file that begins with these 16 bytes is in a container that is known here."""
    return _begins(head, _PLAIN) or _begins(head, _CONTAINERS)


def _begins(head: bytes, signatures: tuple[tuple[int, bytes], ...]) -> bool:
    return any(head[at : at + len(signature)] == signature for at, signature in signatures)


def missing_end(file: BinaryIO, begin: int, end: int) -> str | None:
    """The sign that a recording was cut off, or None if there is no such sign.

    Args:
        file: the file, seekable; its position is changed.
        begin: the recording's first byte.
        end: the byte behind its last one.
    """
    if _at(file, begin, 4) == b"OggS":
        return None if _ogg_has_end(file, begin, end) else "its last page is missing, cut off or damaged"
    promised = _promised_bytes(file, begin, end)
    if promised is None or promised <= end:
        return None
    return f"at least {promised - begin:,} bytes are promised, and {end - begin:,} are there"


def joined_recordings(file: BinaryIO, size: int) -> list[tuple[int, int]]:
    """Finds where each recording begins and ends in a file that holds several, as `cat` joins them.

    Most files hold one. FFmpeg reads no further than the first one, or reads on with the rate and the clock of the
    first; so each is given to it by itself. (For files that are nothing but frames see `runs_of_frames`.)

    Args:
        file: the file, seekable; its position is changed.
        size: how many bytes it has.
    """
    head = _at(file, 0, 12)
    if head[:4] == b"OggS":
        begins = _begins_of_ogg(file, size)
    elif head[:4] == b"RIFF" and head[8:] == b"WAVE":
        begins = _begins_of_waves(file, size)
    elif head[:8] == _FLAC:
        begins = _found(file, _FLAC, size)
    elif head[:4] == _MATROSKA:
        begins = _begins_of_matroska(file, size)
    elif head[4:8] == b"ftyp":
        begins = [begin for begin, _, name in _boxes(file, 0, size) if name == b"ftyp"]
    else:
        begins = [0]
    return list(pairwise([*begins, size]))


def _begins_of_ogg(file: BinaryIO, size: int) -> list[int]:
    begins, position, had_data = [0], 0, False
    while len(page := _at(file, position, 282)) >= 27:
        if page[:4] != b"OggS":  # damaged
            ahead = _at(file, position, 2 * LONGEST_OGG_PAGE)
            if (found := ahead.find(b"OggS", 1)) < 0:
                break
            position += found
            continue
        first_of_stream = bool(page[5] & 2)
        if first_of_stream and had_data:
            begins.append(position)
        had_data = not first_of_stream
        position += 27 + page[26] + sum(page[27 : 27 + page[26]])
    return begins


def _begins_of_waves(file: BinaryIO, size: int) -> list[int]:
    begins = [0]
    while length := _number(_at(file, begins[-1] + 4, 4), "little"):
        following = begins[-1] + 8 + length + length % 2
        head = _at(file, following, 12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            break
        begins.append(following)
    return begins


def _begins_of_matroska(file: BinaryIO, size: int) -> list[int]:
    begins = [0]
    while (following := _end_of_matroska_segment(file, begins[-1])) and _at(file, following, 4) == _MATROSKA:
        begins.append(following)
    return begins


def _found(file: BinaryIO, signature: bytes, size: int) -> list[int]:
    """Finds the places of a signature that is too long to appear by accident."""
    places, position = [], 0
    while position < size:
        chunk = _at(file, position, _CHUNK + len(signature) - 1)
        at = -1
        while (at := chunk.find(signature, at + 1)) >= 0:
            places.append(position + at)
        position += _CHUNK
    return places


def _promised_bytes(file: BinaryIO, begin: int, end: int) -> int | None:
    """The earliest byte at which the recording may end according to its header, or None if the header does not say."""
    head = _at(file, begin, 16)
    if head[:4] == b"RIFF":
        if head[8:12] == b"WAVE":
            return _end_of_chunk(file, begin, b"data", "<4sI")
        return _sum(begin + 8, _number(head[4:8], "little"))
    if head[:4] == b"FORM":
        return _end_of_chunk(file, begin, b"SSND", ">4sI")
    if head[:4] == b"RF64":  # its sizes have 64 bits and stand in the chunk ds64, which comes first
        return begin + 8 + int.from_bytes(_at(file, begin + 20, 8), "little")
    if head[:4] == b".snd":
        return _sum(begin + int.from_bytes(head[4:8], "big"), _number(head[8:12], "big"))
    if head[:4] == b"riff":  # Wave64
        return begin + int.from_bytes(_at(file, begin + 16, 8), "little")
    if head[:4] == _MATROSKA:
        return _end_of_matroska_segment(file, begin)
    if head[4:8] in _QUICKTIME:
        last, length, _ = list(_boxes(file, begin, end))[-1]
        return last + length
    return None


def _end_of_chunk(file: BinaryIO, begin: int, wanted: bytes, header: str) -> int | None:
    """The end of the chunk `wanted` of a RIFF or AIFF file; the bytes after it are not sound."""
    position = begin + 12
    while len(found := _at(file, position, 8)) == 8:
        name, length = struct.unpack(header, found)
        if name == wanted:
            return position + 8 + length if length < UNKNOWN_SIZE else None
        position += 8 + length + length % 2
    return position + 8  # cut off before the sound begins


def _boxes(file: BinaryIO, position: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """The start, length and name of each box of an MP4 or QuickTime file."""
    while position < end:
        header = _at(file, position, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:  # the real one follows the name
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0: to the end of the file; others: no box, or less than the header of one
            length = max(8, end - position) if len(header) >= 8 else 8
        yield position, length, header[4:8]
        position += length


def _end_of_matroska_segment(file: BinaryIO, begin: int) -> int | None:
    head = _at(file, begin, 128)
    after_header = _ebml_end(head, 4)
    if after_header is None or head[after_header : after_header + 4] != b"\x18\x53\x80\x67":
        return None
    end = _ebml_end(head, after_header + 4)
    return None if end is None else begin + end


def _ebml_end(head: bytes, position: int) -> int | None:
    """Where an element ends whose length is written at `position`; None where the length is "unknown" or cut off."""
    width = 9 - head[position].bit_length() if position < len(head) else 0
    if not 1 <= width <= 8 or position + width > len(head):
        return None
    unknown = (1 << 7 * width) - 1
    length = int.from_bytes(head[position : position + width], "big") & unknown
    return position + width + length if length != unknown else None


def _ogg_has_end(file: BinaryIO, begin: int, end: int) -> bool:
    """Whether the recording's last page is complete and marked as the last of its stream.

    RFC 3533 asks for a flag on that page. Some programs that write page by page while they record leave it off: then
    the page has to end where the file ends, and a packet with it. So a cut within a page or a packet shows, and one
    between two pages, at the end of a packet, does not.
    """
    tail = _at(file, max(begin, end - LONGEST_OGG_PAGE), min(LONGEST_OGG_PAGE, end - begin))
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    lengths = page[27 : 27 + page[26]]  # of segments; one of 255 bytes says that its packet goes on
    length = 27 + page[26] + sum(lengths)
    if length <= len(page) and not _ogg_page_is_sound(page[:length]):
        return False
    if page[5] & 4:
        return length <= len(page)
    return length == len(page) and len(lengths) > 0 and lengths[-1] < 255


def _ogg_page_is_sound(page: bytes) -> bool:
    """Whether a page's checksum is right: zlib's polynomial, the bits the other way round, nothing inverted."""
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_MIRRORED)
    checksum = int(f"{zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)
    return checksum == int.from_bytes(page[22:26], "little")


def _number(field: bytes, order: Literal["little", "big"]) -> int | None:
    value = int.from_bytes(field, order)
    return value if 0 < value < UNKNOWN_SIZE else None


def _sum(start: int, length: int | None) -> int | None:
    return None if length is None else start + length


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
