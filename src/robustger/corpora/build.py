"""Turns a corpus's folder into a manifest, and compares the number of its utterances with the published one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustger.corpora.corpus import CORPORA, Scan, SplitRow
from robustger.errors import InputError
from robustger.hypotheses import NBest, save_nbest
from robustger.hypotheses.values import shown
from robustger.manifest import Utterance, save_manifest

LENGTH_TOLERANCE_SECONDS = 0.0005  # between a recording and its clean partner


@dataclass(slots=True)
class SplitCheck:
    """The utterances found for a split, and the number there should be.

    Attributes:
        name: the split.
        expected: how many rows it should have; None where that is not known.
        found: rows that can be used, before any filter.
        missing: names that the corpus mentions but has no recording of; may be shorter than `expected - found` where it
            has no list of its own, and names recordings of many rows in corpora of long recordings.
        without_text: ids of rows without a transcript.
        without_clean: ids of noisy rows without their clean partner.
        with_clean: how many rows have theirs.
    """

    name: str
    expected: int | None
    found: int = 0
    missing: list[str] = field(default_factory=list)
    without_text: list[str] = field(default_factory=list)
    without_clean: list[str] = field(default_factory=list)
    with_clean: int = 0

    @property
    def complete(self) -> bool:
        """Whether all is there.

        A split without any clean partner is complete: recordings may have none, and a user may have left them at home.
        One in which some have theirs and others do not is damaged.
        """
        counted = self.expected is None or self.found == self.expected
        partners = not (self.with_clean and self.without_clean)
        return counted and partners and not self.missing and not self.without_text


@dataclass(slots=True)
class CorpusCheck:
    """The utterances found for each split of a corpus.

    Attributes:
        splits: each of those asked for.
        problems: the reported problems: files left out, repeated ids, lines that cannot be read.
        rows: how many were written, or would have been.
        filtered: rows left out because they have more words than asked for, or no transcript to count them in.
    """

    splits: list[SplitCheck]
    problems: int = 0
    rows: int = 0
    filtered: int = 0

    @property
    def complete(self) -> bool:
        """Whether the corpus is complete and has no problems."""
        return not self.problems and all(split.complete for split in self.splits)


def corpus_manifest(
    name: str,
    folder: str | Path,
    target: str | Path | None = None,
    *,
    splits: Sequence[str] = (),
    companion: str | Path | None = None,
    max_words: int | None = None,
    probe: bool = False,
    on_problem: Callable[[str, str], None] = lambda place, message: None,
    on_progress: Callable[[int], object] = lambda rows: None,
) -> CorpusCheck:
    """Writes the manifest of a corpus, or the N-best JSONL of a corpus of lists, with everything that was found.

    If an id occurs twice, its first row is kept. Files of 0 bytes are left out. Both are reported. Whether the audio
    can be decoded is not looked at unless `probe` asks for it.

    Args:
        name: in `CORPORA`.
        folder: where the corpus was unpacked.
        target: the file to write, "-" for standard output; it appears when it is complete. None only checks.
        splits: names of splits; none are the corpus's default.
        companion: the second folder that some corpora need.
        max_words: keeps rows of at most so many words; counted after the check.
        probe: open every file: one that is no audio is left out, and a clean partner that differs in length is not
            named. For corpora of recordings.
        on_problem: called with the place and what is wrong there.
        on_progress: called with the number of rows just read.

    Raises:
        InputError: no such corpus or split, the folder is not this corpus, it holds no row of these splits, or the
            target cannot be written; nothing is written then.
    """
    corpus = CORPORA.get(name)
    chosen = corpus.choose(splits)
    if companion is not None and corpus.companion is None:
        raise InputError(f"{corpus.title} needs no second folder; leave {companion} out")
    if probe and corpus.lists:
        raise InputError(f"{corpus.title} holds no audio that could be probed")
    scan = Scan(folder, [split.name for split in chosen], companion, on_problem)
    checks = {split.name: SplitCheck(split.name, split.expected) for split in chosen}
    result = CorpusCheck(list(checks.values()))
    rows = _checked(corpus.read(scan), scan, checks, name, probe)

    def kept() -> Iterator[Any]:
        for row in rows:
            on_progress(1)
            text = _text(row)
            if max_words is not None and (text is None or len(text.split()) > max_words):
                result.filtered += 1
                continue
            result.rows += 1
            yield row
        if not result.rows:
            names = ", ".join(scan.splits)
            why = "no row passes the filter" if result.filtered else "it holds nothing of the splits"
            raise InputError(f"{folder}: {why} {names} of {corpus.title}; nothing is written")

    if target is None:
        for _ in kept():
            pass
    else:
        (save_nbest if corpus.lists else save_manifest)(kept(), target)
    for check in result.splits:
        check.missing += scan.missing[check.name]
    result.problems = scan.problems
    return result


def _checked(
    rows: Iterable[SplitRow], scan: Scan, checks: dict[str, SplitCheck], corpus: str, probe: bool
) -> Iterator[Utterance | NBest]:
    """The rows that can be used, counted, each with the names of its corpus and split in `meta`."""
    places: dict[str, str] = {}
    for split, row in rows:
        check = checks[split]
        place = str(row.audio) if isinstance(row, Utterance) else f"{split}: {row.id}"
        if row.id in places:
            scan.problem(place, f"id {shown(row.id)} stands at {places[row.id]} already; the first is kept")
            continue
        if isinstance(row, Utterance):
            usable = _usable(row, scan, probe)
            if usable is None:
                continue
            row = usable
            if row.clean_audio is not None:
                check.with_clean += 1
            elif row.noise is not None:
                check.without_clean.append(row.id)
        places[row.id] = place
        check.found += 1
        if _text(row) is None:
            check.without_text.append(row.id)
        yield dataclasses.replace(row, meta={"corpus": corpus, "split": split, **row.meta})


def _text(row: Utterance | NBest) -> str | None:
    return row.text if isinstance(row, Utterance) else row.reference


def _usable(row: Utterance, scan: Scan, probe: bool) -> Utterance | None:
    """The row, without its clean partner if that cannot be used; None if its own audio cannot be used."""
    if problem := _trouble(row.audio, probe):
        scan.problem(row.audio, problem)
        return None
    if row.clean_audio is not None:
        problem = _trouble(row.clean_audio, probe)
        if not problem and probe and row.start is None and row.end is None:
            problem = _different_length(row.audio, row.clean_audio)
        if problem:
            scan.problem(row.clean_audio, f"{problem}; {shown(row.id)} goes without a clean partner")
            return dataclasses.replace(row, clean_audio=None)
    return row


def _trouble(path: Path, probe: bool) -> str | None:
    from robustger.audio import AudioError, probe_audio

    try:
        if os.path.getsize(path) == 0:
            return "has 0 bytes; get the file again"
        if probe:
            probe_audio(path)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except AudioError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _different_length(noisy: Path, clean: Path) -> str | None:
    from robustger.audio import probe_audio

    seconds = probe_audio(noisy).seconds, probe_audio(clean).seconds
    if abs(seconds[0] - seconds[1]) <= LENGTH_TOLERANCE_SECONDS:
        return None
    return f"is {seconds[1]:.3f} s long and {noisy.name} {seconds[0]:.3f} s"
