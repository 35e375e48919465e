from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from robustger.batches import batches_by_length


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 200), st.integers(1, 9), st.data())
def test_batches_hold_everything_once_sorted_within_their_bounds(
    lengths: list[int], tokens: int, most: int, data: st.DataObject
) -> None:
    indices = data.draw(st.permutations(range(len(lengths))))[: data.draw(st.integers(0, len(lengths)))]

    def fits(count: int, longest: int) -> bool:
        return count <= most and count * longest <= tokens

    batches = list(batches_by_length(lengths, indices, fits))
    together = [index for batch in batches for index in batch]
    assert sorted(together) == sorted(indices)
    assert [lengths[index] for index in together] == sorted(lengths[index] for index in indices)
    assert all(len(batch) == 1 or fits(len(batch), lengths[batch[-1]]) for batch in batches)
    for batch, following in pairwise(batches):  # none is cut short
        assert not fits(len(batch) + 1, lengths[following[0]])


def test_bounds_may_get_smaller_on_the_way() -> None:
    bounds = [4]
    sizes = []
    for batch in batches_by_length([1] * 10, range(10), lambda count, longest: count <= bounds[-1]):
        sizes.append(len(batch))
        bounds.append(2)
    assert sizes == [4, 2, 2, 2]
