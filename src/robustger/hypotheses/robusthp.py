"""Reads RobustHP, the lists behind the RobustGER paper: `.pt` files of torch, each a list of items.

The layout is that of the script that makes such files, `generate_robust_hp.py` (YUCHEN005/RobustGER does not hold it;
an adapted copy, which writes several files `NAME.chunk000000.pt`, is in teinhonglo/RobustGER under `local/`), and of
`finetune/robust_ger.py` and `inference/robust_ger.py` of YUCHEN005/RobustGER, which read them:

=========================  ================  =========================================================================
field of an item           type              what is made of it
=========================  ================  =========================================================================
``id``                     str               the list's id; where there is none, file and position ("train_x-00000")
``input``                  list of str       the hypotheses, best first; "<UNK>" stands for an empty one
``ground_truth``           str               the reference; "<UNK>" stands for an empty one
``am_score``               list of float     the scores: mean log-probability per token
``input_ids``              int (T,)          prompt, response, end token, cut at 1,024: decoded where there are no texts
``input_ids_no_response``  int (P,)          the prompt alone: decoded where ``input_ids`` is missing, too
``labels``                 int (T,)          ``input_ids`` with -1 for the prompt; says nothing more
``emb_diff``               float (20, 384)   -E_LN, rows [token ; utterance]; see `noise_embedding_of`
``audio_features``         float (frames, D) the recognizer's encoder on the noisy audio: averaged over time
``clean_audio_features``   float (frames, D) the same for its clean partner
=========================  ================  =========================================================================

Other fields that are a number or a string go to `meta`. An utterance on which the script failed has None everywhere.
The mean is over all frames there are: a file whose frames include those of Whisper's padding (1,500 always) has means
that include them. Files are mapped, not read: of the arrays, only those of one item are in memory at a time, however
large the file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.files import shown_name
from robustger.hypotheses.checks import printable
from robustger.hypotheses.jsonl import BadLine
from robustger.hypotheses.keyed import Placed
from robustger.hypotheses.values import NBest, parse_fields
from robustger.torch_files import load_torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

# Token ids to text, without special tokens.
Decode = Callable[[list[int]], str]
# Takes an id and its arrays by kind, and says what the list's `audio_embedding` is.
Store = Callable[[str, Mapping[str, "np.ndarray"]], Mapping[str, Any] | None]

NOISE_KIND, NOISE_FIELD = "e_ln", "emb_diff"
ARRAY_FIELDS = {"noisy": "audio_features", "clean": "clean_audio_features", NOISE_KIND: NOISE_FIELD}
EMPTY = "<UNK>"
_LONGEST = 1024  # tokens, where the script cuts
# The script ends the best hypothesis, and each of the others, with a full stop, which no hypothesis holds itself.
PROMPT = re.compile(
    r"### Best-hypothesis:\n(?P<best>.*?)\.?\n\n### Other-hypothesis:\n(?P<others>.*?)\.?\n\n"
    r"### Response:(?P<response>.*)",
    re.DOTALL,
)
_TEXT_FIELDS = ("id", "input", "ground_truth", "am_score")


def read_robusthp(
    source: str | Path,
    *,
    decode: Decode | None = None,
    store: Store | None = None,
    kinds: Sequence[str] = tuple(ARRAY_FIELDS),
) -> Iterator[Placed]:
    """The lists of a file, or of all `.pt` files of a folder, sorted by name.

    An item that cannot be used is a bad line, and so is a file of a folder; where only an array of an item is of no
    use, the list follows its bad line.

    Args:
        source: the file or folder.
        decode: turns token ids into text; needed where items have no texts.
        store: takes the arrays of every list: `noisy` and `clean` float32 (D,), `e_ln` float32 (N(N-1), E).
        kinds: which of them are read; none without `store`.

    Yields:
        ("file: item k", list or bad line); items are counted from 1.

    Raises:
        InputError: the file cannot be read, holds code, or is no list of items; a folder without such files; items of
            tokens alone, and no `decode`.
    """
    path = Path(source)
    if str(source) == "-":
        raise InputError(f"{shown_name(source)}: robusthp files are mapped; name a file or folder")
    if path.is_dir():
        files = sorted(path.glob("*.pt"))
        if not files:
            raise InputError(f"{path}: holds no .pt file")
        return (placed for file in files for placed in _file_of_folder(file, decode, store, kinds))
    try:
        items = _load(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return _lists(path, items, decode, store, kinds)


def noise_embedding_of(emb_diff: Tensor) -> Tensor:
    """E_LN with the paper's sign and rows, [utterance ; token], pairs (2,1) (3,1) (3,2) ... (eq. 4-6).

    `emb_diff` is the token rows and then the utterance rows, each Y_i - Y_j for the pairs i < j: (1,2) (1,3) ... (2,3).
    The utterance rows are those of our variant `paper`. The token rows remain those of the released code, a mean over
    the edits of the pair.

    Args:
        emb_diff: (N(N-1), E).

    Returns:
        (N(N-1), E).

    Raises:
        InputError: there is no N with so many rows.
    """
    pairs = emb_diff.shape[0] // 2 if emb_diff.dim() == 2 else 0
    n = (1 + math.isqrt(1 + 8 * pairs)) // 2
    if n < 2 or emb_diff.shape[0] != n * (n - 1):
        raise InputError(f"{NOISE_FIELD} is {_sizes(emb_diff)}, not N(N-1) rows")
    place = {pair: row for row, pair in enumerate(combinations(range(n), 2))}
    order = [place[better, worse] for worse in range(n) for better in range(worse)]
    order_of_both = [pairs + row for row in order] + order
    return -emb_diff[order_of_both]


def _file_of_folder(
    file: Path, decode: Decode | None, store: Store | None, kinds: Sequence[str]
) -> Iterator[Placed]:
    """Reads one file of a folder. Its memory map is released when this generator ends, so only one file is open."""
    try:
        items = _load(file)
    except InputError as error:
        yield str(file), BadLine(0, None, str(error))
        return
    yield from _lists(file, items, decode, store, kinds)


def _load(path: Path) -> list[Any]:
    """The items that torch stored; code in the file is not run.

    Raises:
        InputError: what is wrong, without the file's name.
    """
    try:
        items = load_torch(path)
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{path}: ")) from None
    if not isinstance(items, list):
        raise InputError(f"a list of items is needed, not {type(items).__name__}")
    return items


def _lists(
    path: Path, items: list[Any], decode: Decode | None, store: Store | None, kinds: Sequence[str]
) -> Iterator[Placed]:
    for number, item in enumerate(items, start=1):
        place = f"{path}: item {number}"
        if decode is None and isinstance(item, Mapping) and _has_tokens_alone(item):
            raise InputError(f"{place}: holds tokens and no texts; name the tokenizer they were made with")
        try:
            nbest = _list(item, f"{printable(path.stem)}-{number - 1:05d}", decode)
        except InputError as error:
            id_ = item.get("id") if isinstance(item, Mapping) else None
            yield place, BadLine(number, id_ if isinstance(id_, str) else None, str(error))
            continue
        if store is not None:
            arrays: dict[str, np.ndarray] = {}
            for kind in kinds:
                field = ARRAY_FIELDS[kind]
                try:
                    if item.get(field) is not None:
                        arrays[kind] = _array(kind, field, item[field])
                except InputError as error:
                    message = f"{nbest.id}: {error}; the list is kept without it"
                    yield place, BadLine(number, nbest.id, message)
            try:
                stored = store(nbest.id, arrays)
            except InputError as error:
                yield place, BadLine(number, nbest.id, f"{nbest.id}: {error}; the list is kept without it")
            else:
                nbest = dataclasses.replace(nbest, audio_embedding=stored)
        yield place, nbest


def _has_tokens_alone(item: Mapping[Any, Any]) -> bool:
    return item.get("input") is None and _tokens(item) is not None


def _tokens(item: Mapping[Any, Any]) -> Any:
    ids = item.get("input_ids")
    return item.get("input_ids_no_response") if ids is None else ids


def _list(item: Any, default_id: str, decode: Decode | None) -> NBest:
    """The list of an item, without arrays.

    Raises:
        InputError: what is wrong with the item.
    """
    if not isinstance(item, Mapping):
        raise InputError(f"is not an item with fields but {type(item).__name__}")
    id_ = item.get("id")
    name = "" if id_ is None else f"{id_}: "
    hypotheses, reference = item.get("input"), item.get("ground_truth")
    try:
        if hypotheses is None:
            hypotheses, response = _decoded(item, decode)
            reference = response if reference is None else reference
        if not isinstance(hypotheses, list | tuple):
            raise InputError(f"'input' must be a list of strings, not {type(hypotheses).__name__}")
        nbest = parse_fields(
            {
                "id": default_id if id_ is None else id_,
                "hypotheses": ["" if text == EMPTY else text for text in hypotheses],
                "scores": _scores(item.get("am_score")),
                "reference": "" if reference == EMPTY else reference,
                "meta": {
                    key: value
                    for key, value in item.items()
                    if isinstance(key, str) and key not in _TEXT_FIELDS and _simple(value)
                },
            }
        )
        json.dumps(nbest.to_dict(), ensure_ascii=False).encode()
        return nbest
    except UnicodeEncodeError:
        raise InputError(f"{name}a text holds half a character (a lone surrogate)") from None
    except InputError as error:
        raise InputError(f"{name}{error}") from None


def _decoded(item: Mapping[Any, Any], decode: Decode | None) -> tuple[list[str], str | None]:
    """Hypotheses and response as the tokens spell them."""
    ids = _tokens(item)
    if ids is None or decode is None:
        raise InputError(
            "has neither texts nor tokens: the script that made the file failed on this utterance"
        )
    numbers = ids.tolist() if hasattr(ids, "tolist") else ids
    if not isinstance(numbers, list) or not all(
        isinstance(number, int) and 0 <= number < 2**31 for number in numbers
    ):
        raise InputError("its tokens are not a row of token ids")
    text = decode(numbers)
    match = PROMPT.search(text)
    if match is None:
        raise InputError(
            "its tokens do not spell the prompt of the released code: they were cut off, or another tokenizer made them"
        )
    hypotheses = [part.strip() for part in (match["best"], *match["others"].split(". "))]
    if item.get("input_ids") is None:
        return hypotheses, None
    if item.get("ground_truth") is None and len(numbers) >= _LONGEST:
        raise InputError(
            f"its tokens end at {len(numbers)}, where the released code cuts: the reference may be incomplete"
        )
    return hypotheses, match["response"].strip()


def _scores(scores: Any) -> Any:
    """The scores as numbers, even if all of them or each one is a tensor; `parse_fields` refuses everything else."""
    if hasattr(scores, "tolist"):
        scores = scores.tolist()
    if not isinstance(scores, list | tuple):
        return scores
    return [score.tolist() if hasattr(score, "tolist") else score for score in scores]


def _simple(value: Any) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _array(kind: str, field: str, value: Any) -> np.ndarray:
    """Reduces an array to the part that is kept: audio frames to their mean over time, `emb_diff` to E_LN.

    Raises:
        InputError: what is wrong with it.
    """
    import torch

    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        raise InputError(f"{field} is not a tensor of numbers")
    if kind == NOISE_KIND:
        kept = noise_embedding_of(value.float())
    else:
        frames = value.squeeze(0) if value.dim() == 3 and value.shape[0] == 1 else value
        if frames.dim() != 2 or not frames.numel():
            raise InputError(f"{field} is {_sizes(value)}, not frames x width")
        kept = frames.mean(dim=0, dtype=torch.float64).float()
    if not kept.isfinite().all():
        raise InputError(f"{field} holds NaN or infinite numbers")
    return kept.numpy()


def _sizes(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"
