"""RATS: telephone speech sent through eight radio channels, A to H, and recorded from the receivers.

Layout: docs/README.txt of LDC2015S02 (speech activity detection), sections 2 to 4.

- `data/train/audio/eng/A/10002_20705_eng_A.flac`: a conversation side as received on channel A;
- `data/train/sad/eng/A/10002_20705_eng_A.tab`: its segments, 12 columns between tabs;
- `data/dev-1/audio/A/`, `data/dev-2/audio/A/` and so on: the same without folders for the languages;
- `docs/retrans_fileset_info.tab`: which channels of every transmission there are.

A row is a segment of speech that was transmitted (label `S`), with its transcript (column 11). The corpora of the
program share this table. In LDC2015S02 the transcripts are empty; LDC2017S20 (keyword spotting: Levantine Arabic and
Farsi) has them, by its description: its files were not at hand. Any folder beside `audio` is searched for the tables,
whatever its name.

The channels cut a transmission in different places (section 3.3), so no time or number tells which of their segments
are the same speech. A sentence is named by its source, which is one side of a conversation, and its transcript.

There are no clean partners: the source recordings (`src`) have other times than the channels (section 5.2).

The paper uses 43,112 utterances for training, from which it drops those that Whisper gets more than 90 % wrong
(28,504 remain), and 1,000 of 7,591 for testing. How the utterances were cut, and which channels they are of, is not
published; so recordings are counted here, against the corpus's own table, and not utterances against the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow, files_below
from robustger.hypotheses import BadLine
from robustger.hypotheses.keyed import read_lines
from robustger.manifest import Utterance

_TITLE = "RATS"
_PARTS = ("train", "dev-1", "dev-2")
_CHANNELS = "ABCDEFGH"
SPEECH = "S"
_COLUMNS = 12


def _read(scan: Scan) -> Iterator[SplitRow]:
    root = scan.root(_TITLE, *(f"data/{part}/audio" for part in _PARTS))
    sent = _transmissions(scan, root / "docs" / "retrans_fileset_info.tab")
    for part in _PARTS:
        wanted = {split[-1]: split for split in scan.splits if split[:-2] == part}
        if not wanted:
            continue
        audio = {path.stem: path for path in files_below(root / "data" / part / "audio", ".flac")}
        tables = {
            path.stem: path
            for folder in sorted((root / "data" / part).glob("*"))
            if folder.name != "audio" and folder.is_dir()
            for path in files_below(folder, ".tab")
        }
        for channel, split in wanted.items():
            mine = [name for name in sorted(audio) if name.endswith(f"_{channel}")]
            for name in mine:
                if name in tables:
                    yield from ((split, row) for row in _segments(scan, name, audio[name], tables[name]))
                else:
                    scan.problem(audio[name], "has no table of segments; left out")
            there = {_transmission(name) for name in mine}
            known = {name for name in tables if name.endswith(f"_{channel}")} - set(mine)
            named = {_transmission(name) for name in known}
            unnamed = {
                id_ for id_, (where, channels) in sent.items() if where == part and channel in channels
            }
            scan.missing[split] += sorted(known | {f"{id_}_{channel}" for id_ in unnamed - there - named})


def _transmission(name: str) -> str:
    """The source and the transmission in a name: `10002_20705` in `10002_20705_eng_A`."""
    return "_".join(name.split("_")[:2])


def _transmissions(scan: Scan, path: Path) -> dict[str, tuple[str, str]]:
    """Part and channels of every transmission, as the corpus's own table says."""
    if not path.is_file():
        scan.problem(path, "there is no such file, so missing recordings cannot be reported")
        return {}
    sent = {}
    for _, line in read_lines(path):
        cells = line.split("\t") if isinstance(line, str) else []
        if len(cells) == 5 and cells[4].strip() in _PARTS:  # else the line of column names
            sent[cells[0].strip()] = (cells[4].strip(), cells[3])
    return sent


def _segments(scan: Scan, name: str, audio: Path, table: Path) -> Iterator[Utterance]:
    for number, line in read_lines(table, strip="\r\n"):
        cells = line.split("\t") if isinstance(line, str) else []
        try:
            if len(cells) != _COLUMNS:
                raise ValueError(f"{len(cells)} columns instead of {_COLUMNS}")
            start, end = float(cells[2]), float(cells[3])
            if not 0 <= start < end < math.inf:
                raise ValueError(f"times {start:g} to {end:g} s")
        except ValueError as error:
            problem = line.message if isinstance(line, BadLine) else f"no segment: {error}"
            scan.problem(f"{table}:{number}", problem)
            continue
        if cells[4].strip() != SPEECH:
            continue
        text = cells[10].strip()
        said = {"speaker": cells[6].strip(), "language": cells[8].strip(), "recording": name}
        said["sentence"] = f"{name.partition('_')[0]}: {text}" if text else ""
        yield Utterance(
            f"{name}-{round(start * 1000):08d}-{round(end * 1000):08d}",
            audio,
            text or None,
            noise=f"channel {name[-1]}",
            start=start,
            end=end,
            meta={key: value for key, value in said.items() if value},
        )


CORPORA.register("rats")(
    Corpus(
        _TITLE,
        tuple(
            Split(f"{part}-{channel}", None, f"segments of {part} on radio channel {channel}", channel == "A")
            for part in _PARTS
            for channel in _CHANNELS
        ),
        _read,
    )
)
