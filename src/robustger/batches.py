"""Groups items of similar length into batches, because all items of a batch are padded to the longest one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


def batches_by_length(
    lengths: Sequence[int] | Mapping[int, int], indices: Iterable[int], fits: Callable[[int, int], bool]
) -> Iterator[list[int]]:
    """Yields the indices in the largest batches that are allowed, the shortest items first.

    An item that is too large for every batch is a batch of its own.

    Args:
        lengths: tokens of every index.
        indices: the indices to put into batches.
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
