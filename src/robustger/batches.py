"""Batches of similar length, because all of a batch is padded to its longest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


def batches_by_length(
    lengths: Sequence[int] | Mapping[int, int], indices: Iterable[int], fits: Callable[[int, int], bool]
) -> Iterator[list[int]]:
    """Indices, shortest first, in batches as large as they may be. What fits nowhere goes by itself; none is left out.

    Args:
        lengths: tokens of every index.
        indices: what is put into batches.
        fits: whether a batch of so many, padded to so many tokens each, is allowed; asked anew for each, so that what
            is allowed may change while batches are worked on.
    """
    batch: list[int] = []
    for index in sorted(indices, key=lengths.__getitem__):
        if batch and not fits(len(batch) + 1, lengths[index]):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
