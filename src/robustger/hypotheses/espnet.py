"""Reads the N-best lists that ESPnet 2 writes with `nbest` above 1, and hands files of ESPnet 1 to their own reader.

`espnet2/bin/asr_inference.py` makes one folder for each rank, and its recipes one set of them for each job::

    decode_.../test/logdir/output.1/1best_recog/{text,score,token,token_int}
    decode_.../test/logdir/output.1/2best_recog/...
    decode_.../test/logdir/output.2/1best_recog/...

`text` has lines `utterance transcript`, `score` has lines `utterance score`, the score being Python's text of a number
or of a torch tensor (`tensor(-8.2, device='cuda:0')`). `text_nospecial`, which models with language and task tokens
write beside it, is preferred to `text`. The score is that of ESPnet's search: a weighted sum of what its scorers
(attention, CTC, language model, length) say, not a log-probability of the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from robustger.errors import InputError
from robustger.hypotheses.espnet1 import read_results, result_files
from robustger.hypotheses.jsonl import BadLine
from robustger.hypotheses.keyed import Archive, Placed, read_archive
from robustger.hypotheses.values import NBest

_RANK = re.compile(r"(\d+)best_recog")


def read_espnet(source: str | Path) -> Iterator[Placed]:
    """The lists of a decoding, its jobs one after the other.

    An utterance that stands in fewer ranks than others has a shorter list. A rank that is missing before others, and a
    job that wrote nothing, are reported. Scores that are missing or unreadable are reported, and their list is kept
    without scores.

    Args:
        source: the decoding's folder, or any below it that holds `1best_recog`; of ESPnet 1 a result file, or a folder
            that holds such files.

    Yields:
        (place, list or bad line).

    Raises:
        InputError: no such file or folder, no `1best_recog/text` in it, or a file that is no result of ESPnet 1.
    """
    folder = Path(source)
    if not folder.is_dir():
        if str(source) != "-" and not folder.exists():
            raise InputError(
                f"{source}: is not a folder; name the one in which ESPnet wrote 1best_recog, 2best_recog, ..."
            )
        return read_results(source)
    if _RANK.fullmatch(folder.name):
        folder = folder.parent
    jobs = sorted({path.parent for path in folder.rglob("1best_recog") if path.is_dir()}, key=_natural)
    if not jobs:
        if results := result_files(folder):
            return (placed for path in results for placed in read_results(path))
        spoken = next(folder.rglob("1best_recog_spk*"), None)
        hint = "; the lists of several speakers in one recording are not read" if spoken else ""
        raise InputError(f"{source}: has no folder 1best_recog in it{hint}")
    silent = sorted(
        path
        for parent in {job.parent for job in jobs if job != folder}
        for path in parent.glob("output.*")
        if path.is_dir() and path not in jobs
    )
    message = "holds no 1best_recog, as the jobs beside it do; its lists are missing"
    return chain(
        ((str(path), BadLine(0, None, message)) for path in silent),
        (placed for job in jobs for placed in _read_job(job)),
    )


def _natural(path: Path) -> list[tuple[int, str]]:
    """A sort key by which output.10 comes after output.2."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def _text_file(folder: Path) -> Path:
    """The file with the texts of a rank, or else the file with its tokens, which the import joins to words."""
    found = (folder / name for name in ("text_nospecial", "text", "token") if (folder / name).is_file())
    return next(found, folder / "text")


def _read_job(job: Path) -> Iterator[Placed]:
    ranks = sorted(
        (int(match[1]), path)
        for path in job.iterdir()
        if (match := _RANK.fullmatch(path.name)) and path.is_dir()
    )
    scored = any((folder / "score").is_file() for _, folder in ranks)
    texts, scores = [], []
    for _, folder in ranks:
        score = folder / "score"
        texts.append(read_archive(_text_file(folder)))
        scores.append(read_archive(score) if score.is_file() else Archive(str(score)))
        yield from texts[-1].bad + scores[-1].bad
    for id_ in dict.fromkeys(key for archive in texts for key in archive.values):
        found = [(text, score) for text, score in zip(texts, scores, strict=True) if id_ in text.values]
        there = [rank for (rank, _), text in zip(ranks, texts, strict=True) if id_ in text.values]
        if there[-1] > len(there):
            gap = next(rank for rank in range(1, there[-1]) if rank not in there)
            message = (
                f"{id_!r} has no hypothesis of rank {gap}, but one of rank {there[-1]}; "
                "the list is made of those that are there"
            )
            yield found[0][0].place(id_), BadLine(found[0][0].values[id_][0], id_, message)
        numbers = [score.number(id_) for _, score in found] if scored else []
        problem = next((number for number in numbers if isinstance(number, tuple)), None)
        if problem:
            yield problem
        yield (
            found[0][0].place(id_),
            NBest.from_texts(
                id_,
                [text.values[id_][1] for text, _ in found],
                scores=[number for number in numbers if isinstance(number, float)]
                if scored and not problem
                else None,
            ),
        )
