"""MPEG audio (mp3, mp2): which frames a file consists of, to tell a whole file from one that was cut off.

The layout of the frame header is ISO/IEC 11172-3, 2.4.2.3; that of the Xing tag is what LAME writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# kbit/s by (MPEG 1, layer) and the header's 4-bit index; 0 is "free", which no encoder in use writes
_BITRATES = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = (44_100, 48_000, 32_000)  # MPEG 1; MPEG 2 halves and MPEG 2.5 quarters them


@dataclass(frozen=True, slots=True)
class Mpeg:
    """What the frames of an MPEG audio file say.

    Attributes:
        frames: how many follow each other without a gap from the first on; the last need not be whole.
        samples: how many they hold per channel, the encoder's padding included.
        end: the byte at which the last of them ends, by its header; past the file's end when it was cut in a frame, or
            in the header of one.
        stated_frames: how many there are by the Xing or Info tag in the first one, which most encoders do not
            count; None where there is no such tag.
    """

    frames: int
    samples: int
    end: int
    stated_frames: int | None


def scan_mpeg(file: BinaryIO) -> Mpeg | None:
    """Goes through the frames of an MPEG audio file, None where the file does not begin with one or an ID3 tag."""
    start = _id3_length(_at(file, 0, 10))
    tag = _at(file, start, 192)
    if not _frame_length(tag[:4]):
        return None
    frames, end = 0, start
    for length in _frame_lengths(file, start):
        frames += 1
        end += length
    # One to three bytes behind the last frame: of an ID3v1 tag or padding there would be more, or other ones.
    rest = _at(file, end, 4)
    if 0 < len(rest) < 4 and rest[:2] == tag[: min(len(rest), 2)]:
        end += 4
    stated = None
    if (at := max(tag.find(b"Xing", 4, 48), tag.find(b"Info", 4, 48))) > 0:
        flags, stated_there = tag[at + 4 : at + 8], tag[at + 8 : at + 12]
        stated = int.from_bytes(stated_there, "big") if int.from_bytes(flags, "big") & 1 else None
    return Mpeg(frames, frames * _frame_samples(tag), end, stated)


def _frame_lengths(file: BinaryIO, start: int) -> Iterator[int]:
    file.seek(start)
    content = file.read()  # compressed: tens of MB for hours
    position = 0
    while length := _frame_length(content[position : position + 4]):
        yield length
        position += length


def _frame_length(header: bytes) -> int:
    """The bytes of a frame with this header, 0 where it is none (or of the "free" bit rate)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    mpeg_1 = version == 3
    sample_rate = _SAMPLE_RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    bits = _BITRATES[mpeg_1, layer][bitrate] * 1000
    padding = header[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // sample_rate + padding) * 4
    return (72 if layer == 3 and not mpeg_1 else 144) * bits // sample_rate + padding


def _frame_samples(header: bytes) -> int:
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    if layer == 1:
        return 384
    return 1152 if layer == 2 or version == 3 else 576


def _id3_length(head: bytes) -> int:
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
