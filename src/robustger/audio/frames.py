"""Finds the frames of MPEG audio and ADTS files (mp3, mp2, aac), and the places where frames are missing.

Such a file is a sequence of frames and nothing else, also if it was joined from several files or has lost some bytes.
FFmpeg reads it from end to end. It does not say where one recording ends and the next begins, so the tag and padding of
the next one become sound. It does not say either how much was lost in front of a frame.

The layout of an MPEG frame's header is ISO/IEC 11172-3, 2.4.2.3, that of an ADTS frame's ISO/IEC 13818-7, 6.2; that of
the Xing tag is what LAME writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import BinaryIO, NamedTuple

# kbit/s by (MPEG 1, layer) and the header's 4-bit index; 0 is "free", which no encoder in use writes
_BITRATES = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = (44_100, 48_000, 32_000)  # MPEG 1; MPEG 2 halves and MPEG 2.5 quarters them
_ADTS_RATES = (
    96_000,
    88_200,
    64_000,
    48_000,
    44_100,
    32_000,
    24_000,
    22_050,
    16_000,
    12_000,
    11_025,
    8_000,
    7_350,
)
_ADTS = 4  # a value besides the versions of MPEG, which have two bits
_CHAIN = 3  # frames of one kind that follow each other are no accident
_TRAILING_FRAMES = (
    2  # at least so many bytes behind the last frame were sound if they are no tag; fewer are ignored
)
_CHUNK = 1 << 20  # bytes read at a time


class Frame(NamedTuple):
    """The header of a frame: bytes, samples per channel, and the properties that all frames of a recording share."""

    length: int
    samples: int
    rate: int
    kind: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Frames that follow each other without a gap.

    Attributes:
        begin: the first one's first byte.
        end: the byte behind the last one; past the file's end when it was cut in a frame.
        frames: how many.
        seconds: how long they sound, tags and padding of the encoder included.
        damaged: whether frames are missing in front of it: bytes that are none, in the middle of a recording. Otherwise
            another recording begins here.
        mpeg: whether they are MPEG audio; else they are ADTS.
        lost_seconds: how long the missing ones sounded: exact at a constant bit rate, or by the count in the tag.
        stated_frames: how many there are by the Xing or Info tag in its first frame, which most encoders do not count.
    """

    begin: int
    end: int
    frames: int
    seconds: float
    mpeg: bool
    damaged: bool = False
    lost_seconds: float = 0.0
    stated_frames: int | None = None


def runs_of_frames(file: BinaryIO, size: int, *, search: bool = True) -> list[FrameRun]:
    """Finds the runs of frames in an MPEG audio or ADTS file, in order; the list is empty if there are no frames.

    Bytes in front of the first frame (tags, padding, the rest of a frame that was cut) are skipped, and so are tags
    behind a recording.

    Args:
        file: the file, seekable; its position is changed.
        size: how many bytes it has.
        search: whether something else than tags and padding may stand in front of the first frame.
    """
    look = _Look(file, size)
    position: int | None = _behind_tags(look, 0)
    if not _chained(look, position):
        position = _next_frame(look, position, None) if search else None
    found: list[FrameRun] = []
    damaged, lost_bytes = False, 0
    while position is not None:
        run, last = _run(look, position, damaged, lost_bytes)
        position, damaged = _after(look, run, last)
        if position is not None and position < run.end:  # the last frame is shorter than it says
            run = _without_last(run, last)
        lost_bytes = 0 if position is None else position - run.end
        found.append(run)
    return _with_counts([*found[:-1], *_end(look, found[-1])]) if found else []


class _Look:
    """Gives bytes at any place of a file from a buffer, without a system call for each."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._begin, self._chunk = 0, b""

    def __call__(self, position: int, count: int) -> bytes:
        at = position - self._begin
        if not 0 <= at <= len(self._chunk) - count:
            self._file.seek(position)
            self._begin, self._chunk, at = position, self._file.read(max(_CHUNK, count)), 0
        return self._chunk[at : at + count]


def frame(header: bytes) -> Frame | None:
    """Parses a frame's header; None if it is no frame, or a frame of the "free" bit rate.

    Args:
        header: its first seven bytes; four are enough for MPEG audio.
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    if layer == 4:
        return _adts_frame(header)
    bitrate, rate_index = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate_index == 3:
        return None
    mpeg_1 = version == 3
    rate = _MPEG_RATES[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    bits = _BITRATES[mpeg_1, layer][bitrate] * 1000
    padding = header[2] >> 1 & 1
    kind = (version, layer, rate, int(header[3] >> 6 == 3))
    if layer == 1:
        return Frame((12 * bits // rate + padding) * 4, 384, rate, kind)
    half = layer == 3 and not mpeg_1
    return Frame((72 if half else 144) * bits // rate + padding, 576 if half else 1152, rate, kind)


def _adts_frame(header: bytes) -> Frame | None:
    rate_index = header[2] >> 2 & 15
    if len(header) < 7 or header[1] & 0xF0 != 0xF0 or rate_index >= len(_ADTS_RATES):
        return None
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if length < 7:
        return None
    channels = (header[2] & 1) << 2 | header[3] >> 6
    rate = _ADTS_RATES[rate_index]
    return Frame(length, 1024 * ((header[6] & 3) + 1), rate, (_ADTS, header[2] >> 6, rate, channels))


def _run(look: _Look, begin: int, damaged: bool, lost_bytes: int) -> tuple[FrameRun, int]:
    """The run that begins at a frame, and where its last frame begins."""
    first = frame(look(begin, 7))
    assert first is not None
    position, last, frames, samples = begin, begin, 0, 0
    while (each := frame(head := look(position, 64))) is not None and each.kind == first.kind:
        if frames and _stated_frames(head) is not None:
            break  # the tag of another recording
        last, frames, samples = position, frames + 1, samples + each.samples
        position += each.length
    mean = (position - begin) / frames
    lost = lost_bytes / mean * first.samples / first.rate if damaged else 0.0
    stated = None if damaged else _stated_frames(look(begin, 64))
    return FrameRun(
        begin, position, frames, samples / first.rate, first.kind[0] != _ADTS, damaged, lost, stated
    ), last


def _after(look: _Look, run: FrameRun, last: int) -> tuple[int | None, bool]:
    """Where the next run begins, if there is one, and whether frames are missing in front of it."""
    rest = look(run.end, 64)
    if frame(rest) is not None and (_chained(look, run.end) or _stated_frames(rest) is not None):
        return run.end, False
    position = _behind_tags(look, run.end)
    tagged = position > run.end
    kind = _kind(look, last)
    # From within the last frame on: where bytes were taken out it ends earlier than its header says.
    found = _next_frame(look, position if tagged else last + 4, kind)
    other = _next_frame(look, position, None) if found is None else found
    if other is None:
        return None, False
    between = other - run.end
    joined = tagged or found is None or _stated_frames(look(other, 64)) is not None
    return other, between != 0 and not joined


def _end(look: _Look, last: FrameRun) -> list[FrameRun]:
    """Closes the last run: it may be cut within a header, or frames after it may be missing altogether."""
    rest = look(last.end, 4)
    # One to three bytes: a tag or padding would be longer, or hold other bytes.
    if 0 < len(rest) < 4 and rest[:2] == look(last.begin, 2)[: len(rest)]:
        return [replace(last, end=last.end + 4)]
    lost_frames = (look.size - _behind_tags(look, last.end)) / ((last.end - last.begin) / last.frames)
    if lost_frames < _TRAILING_FRAMES:
        return [last]
    lost_seconds = lost_frames * last.seconds / last.frames
    return [last, FrameRun(look.size, look.size, 0, 0.0, last.mpeg, damaged=True, lost_seconds=lost_seconds)]


def _without_last(run: FrameRun, last: int) -> FrameRun:
    seconds = run.seconds * (run.frames - 1) / run.frames
    return replace(run, end=last, frames=run.frames - 1, seconds=seconds)


def _with_counts(runs: list[FrameRun]) -> list[FrameRun]:
    """Replaces the number of missing frames by the one that follows from the recording's tag, if it has a tag."""
    first = 0
    while first < len(runs):
        stop = first + 1
        while stop < len(runs) and runs[stop].damaged:
            stop += 1
        head, parts = runs[first], runs[first:stop]
        lost = sum(part.lost_seconds for part in parts)
        if head.stated_frames is not None and head.frames and lost:
            each = head.seconds / head.frames
            missing = max(0, head.stated_frames + 1 - sum(part.frames for part in parts)) * each
            for number in range(first, stop):
                share = runs[number].lost_seconds / lost
                runs[number] = replace(runs[number], lost_seconds=missing * share, stated_frames=None)
        first = stop
    return [run for run in runs if run.frames or run.damaged]


def _next_frame(look: _Look, position: int, kind: tuple[int, ...] | None) -> int | None:
    """Finds the next frames that follow each other: frames of this kind, or enough of any other kind."""
    while position < look.size:
        chunk = look(position, min(_CHUNK // 2, look.size - position))
        at = 0
        while (at := chunk.find(b"\xff", at)) >= 0:
            if _chained(look, position + at, kind, least=2):
                return position + at
            at += 1
        position += len(chunk)
    return None


def _chained(look: _Look, position: int, kind: tuple[int, ...] | None = None, least: int = 1) -> bool:
    """Whether a few frames of one kind follow each other here, or at least so many up to the end of the file."""
    frames = 0
    while frames < _CHAIN:
        each = frame(look(position, 7))
        if each is None or (kind is not None and each.kind != kind):
            return frames >= least and look.size - position < 4
        kind, frames = each.kind, frames + 1
        position += each.length
    return True


def _kind(look: _Look, position: int) -> tuple[int, ...]:
    found = frame(look(position, 7))
    assert found is not None
    return found.kind


def _stated_frames(head: bytes) -> int | None:
    """The number of frames in a Xing or Info tag; None where this frame is no tag, 0 where it has no number."""
    for at in (head.find(b"Xing", 4, 48), head.find(b"Info", 4, 48)):
        if at > 0 and not any(head[6:at]):  # the frame is one of silence
            flags, stated = head[at + 4 : at + 8], head[at + 8 : at + 12]
            return int.from_bytes(stated, "big") if int.from_bytes(flags, "big") & 1 else 0
    return None


def _behind_tags(look: _Look, position: int) -> int:
    """The byte behind any number of tags and padding."""
    while position < look.size:
        head = look(position, 32)
        if head[:3] == b"ID3" and len(head) >= 10:
            position += 10 + sum(
                (byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)
            )
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            position += 32 + int.from_bytes(head[12:16], "little")
        elif head[:3] == b"TAG":
            position += 128
        elif head[:11] == b"LYRICSBEGIN":  # stands last, but for a TAG, and does not say how long it is
            position = look.size
        elif head[0] == 0:
            position += _zeros(look, position)
        else:
            break
    return min(position, look.size)


def _zeros(look: _Look, position: int) -> int:
    """How many zero bytes stand here."""
    begin = position
    while position < look.size:
        chunk = look(position, min(4096, look.size - position))
        rest = len(chunk.lstrip(b"\0"))
        position += len(chunk) - rest
        if rest:
            break
    return position - begin
