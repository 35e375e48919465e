"""Lists in the formats of other toolkits, as their own programs write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from robustger.hypotheses import BadLine, NBest
from robustger.hypotheses.foreign import LIST_FORMATS

words = st.text("abcäß日-'1", min_size=1, max_size=6)


texts = st.lists(words, max_size=5).map(" ".join)


scores = st.floats(-1e4, 1e4)


ids = st.text("abz09_.-", min_size=1, max_size=8)


Lists = dict[str, list[tuple[str, float]]]


lists = st.dictionaries(
    ids, st.lists(st.tuples(texts, scores), min_size=1, max_size=12), min_size=1, max_size=6
)


def write_espnet(root: Path, given: Lists, jobs: int = 2, score: Callable[[float], str] = str) -> Path:
    """As espnet2/bin/asr_inference.py does: {n}best_recog/{text,score,token}, in a folder for every job."""
    for position, (id_, hypotheses) in enumerate(given.items()):
        job = root / "logdir" / f"output.{position * jobs // len(given) + 1}"
        for rank, (text, number) in enumerate(hypotheses, start=1):
            folder = job / f"{rank}best_recog"
            folder.mkdir(parents=True, exist_ok=True)
            for name, value in (("text", text), ("score", score(number)), ("token", "▁ x")):
                with (folder / name).open("a", encoding="utf-8") as file:
                    file.write(f"{id_} {value}\n")
    return root


def write_kaldi(root: Path, given: Lists) -> Path:
    """As steps/rnnlmrescore.sh does; archives are sorted as text, so that u-10 stands before u-2."""
    lines: dict[str, list[str]] = {"words_text": [], "lmwt.withlm": [], "acwt": []}
    for id_, hypotheses in given.items():
        for rank, (text, score) in enumerate(hypotheses, start=1):
            lines["words_text"].append(f"{id_}-{rank} {text}")
            lines["lmwt.withlm"].append(f"{id_}-{rank} {-score / 2}")
            lines["acwt"].append(f"{id_}-{rank} {-score * 6}")
    folder = root / "archives.1"
    folder.mkdir(parents=True)
    for name, content in lines.items():
        (folder / name).write_text("".join(f"{line}\n" for line in sorted(content)), encoding="utf-8")
    return root


def read(format: str, source: Path, **options: Any) -> dict[str, NBest]:
    placed = list(LIST_FORMATS.get(format)(source, **options))
    assert [value for _, value in placed if isinstance(value, BadLine)] == []
    return {value.id: value for _, value in placed if isinstance(value, NBest)}


def write_beams(path: Path, given: list[list[tuple[str, float]]]) -> None:
    """As eval_beamsearch_ngram_ctc.py does: candidates, and nothing between the utterances."""
    path.write_text("".join(f"{text}\t{score}\n" for own in given for text, score in own), encoding="utf-8")


def bad(format: str, source: Path, **options: Any) -> list[tuple[str, str]]:
    """Places below `source`'s folder and messages of what could not be read."""
    root = source if source.is_dir() else source.parent
    return [
        (place.replace(f"{root}/", ""), value.message)
        for place, value in LIST_FORMATS.get(format)(source, **options)
        if isinstance(value, BadLine)
    ]
