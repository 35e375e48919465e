"""The matched-pairs sentence-segment word error test: tells whether two systems' error rates differ.

Gillick and Cox (ICASSP 1989); `mapsswe` in NIST's scoring toolkit (SCTK). The errors of one utterance depend on each
other, but errors far enough apart do not. So each utterance is cut into segments: stretches with errors of either
system, between at least two adjacent words that both systems have right, or the ends of the utterance. With Z_i the
errors of the base less those of the new system in segment i of n,

    mean = sum Z_i / n        s^2 = sum (Z_i - mean)^2 / (n - 1)        z = mean / (s / sqrt(n))

and z is standard normal if both systems make equally many errors on average. The p-value is two-sided. The normal
approximation holds for many segments (50 are plenty); with few segments the p-value is too small.

This test differs from sclite in two ways. Sclite aligns with weights (4 for a substitution, 3 for an insertion or
deletion), while alignments here are minimal, as everywhere in this package. And sclite reports z = 0 whenever all Z_i
are equal. Here z = 0 only if all Z_i are 0 or there is a single segment: an equal gain in many segments is no tie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from robustger.evaluation.alignment import Alignment

GOOD_WORDS = 2  # adjacent words that both systems must have right between two segments, as in sclite


@dataclass(frozen=True, slots=True)
class SegmentSums:
    """The sums over segments that the test needs. The sums of several utterances or corpora add up.

    Attributes:
        segments: their number, n.
        differences: sum of Z_i.
        squares: sum of Z_i squared.
    """

    segments: int
    differences: int
    squares: int

    def __add__(self, other: SegmentSums) -> SegmentSums:
        """The sums over both sets of segments."""
        return SegmentSums(
            self.segments + other.segments,
            self.differences + other.differences,
            self.squares + other.squares,
        )

    def test(self) -> MatchedPairs:
        """The test on these segments."""
        n = self.segments
        mean = self.differences / n if n else 0.0
        # in whole numbers as long as possible: n * sum of squares less the squared sum is 0 exactly, not nearly
        spread = n * self.squares - self.differences**2
        if n < 2 or self.squares == 0:
            z = 0.0
        elif spread == 0:
            z = math.copysign(math.inf, self.differences)
        else:
            z = self.differences / math.sqrt(spread / (n - 1))
        return MatchedPairs(n, mean, z, math.erfc(abs(z) / math.sqrt(2)))


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """The result of the test.

    Attributes:
        segments: number of segments, n.
        mean_difference: errors per segment of the base less those of the new system; positive: the new one is better.
        z: the test's statistic, of the same sign.
        p_value: two-sided.
    """

    segments: int
    mean_difference: float
    z: float
    p_value: float


def segment_differences(base: Alignment, new: Alignment) -> list[int]:
    """Z_i of every segment of one utterance, in order.

    Args:
        base: the base's hypothesis along the reference.
        new: the new system's, along the same reference.
    """
    differences: list[int] = []
    good = GOOD_WORDS  # the utterance's beginning bounds a segment

    def count(errors_of_base: int, errors_of_new: int) -> None:
        nonlocal good
        if good >= GOOD_WORDS:
            differences.append(0)
        differences[-1] += errors_of_base - errors_of_new
        good = 0

    wrong = [*zip(base.wrong, new.wrong, strict=True), None]  # nothing stands behind the last insertions
    for of_base, of_new, word in zip(base.inserted, new.inserted, wrong, strict=True):
        if of_base or of_new:
            count(len(of_base), len(of_new))
        if word == (False, False):
            good += 1
        elif word is not None:
            count(*word)
    return differences
