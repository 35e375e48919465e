"""N-best lists that hypothesis generates, and files of them."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import strategies as st

from robustger.hypotheses import (
    NBest,
)

# every character but halves of surrogate pairs, which are no text
texts = st.text(st.characters(exclude_categories=["Cs"]))


finite = st.floats(allow_nan=False, allow_infinity=False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def nbests(draw: st.DrawFn) -> NBest:
    hypotheses = draw(st.lists(texts, min_size=1, max_size=7))
    start = draw(st.none() | st.floats(0, 1e6))
    return NBest.from_texts(
        draw(texts.filter(str.strip)),
        hypotheses,
        scores=draw(st.none() | st.lists(finite, min_size=len(hypotheses), max_size=len(hypotheses))),
        reference=draw(st.none() | texts),
        audio=draw(st.none() | texts),
        start=start,
        end=None if start is None else draw(st.none() | st.floats(start, 2e6)),
        audio_embedding=draw(st.none() | st.dictionaries(texts, json_values, max_size=2)),
        meta=draw(st.dictionaries(texts, json_values, max_size=2)),
    )


def write(path: Path, *lines: str | bytes | dict) -> Path:
    encoded = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in encoded) + b"\n")
    return path


GOOD = {"id": "good", "hypotheses": ["a b", "a c"]}
