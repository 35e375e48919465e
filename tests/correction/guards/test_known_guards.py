"""Guards allow and refuse corrections, by thresholds that can be set."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.correction import Corrector, GuardConfig
from robustger.correction.config import EvidenceWeights
from robustger.correction.guards.guard import Proposal
from robustger.correction.guards.known_guards import GUARDS, chosen_guard
from robustger.errors import InputError
from robustger.hypotheses import NBest


def test_another_guard_keeps_the_weights_of_the_checkpoint() -> None:
    kinds = ("scored", "twice_scored", "unscored")
    weights = {kind: EvidenceWeights(recognizer=float(place)) for place, kind in enumerate(kinds)}
    chosen = chosen_guard("heard", {}, GuardConfig.model_validate({"name": "edits", **weights})).config
    assert {kind: getattr(chosen, kind) for kind in kinds} == weights


def allows(name: str, proposal: Proposal, **thresholds: float) -> bool:
    return GUARDS.get(name)(GuardConfig.model_validate({"name": name, **thresholds})).allows(proposal)


def test_unknown_guards_are_told_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown guard 'sword'; choose one of: none, words, edits, margin"):
        GUARDS.get("sword")


def test_none_lets_everything_through() -> None:
    assert allows("none", Proposal("a b c", "something else entirely", {"a", "b", "c"}))


@pytest.mark.parametrize(
    ("best", "text", "edits"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a x c", 1),
        ("a b c", "c", 2),
        ("", "a b", 2),
        ("a", "", 1),
        ("", "", 0),
    ],
)
def test_edits_are_counted_in_words(best: str, text: str, edits: int) -> None:
    assert Proposal(best, text).edits == edits


@pytest.mark.parametrize("guard", ["edits", "margin", "heard"])
@given(words=st.integers(1, 200), data=st.data())
def test_the_edit_rate_is_exact(guard: str, words: int, data: st.DataObject) -> None:
    """As many edits as the rate says are let through, one more is not: 29 in 100 at 0.29, where 0.29 * 100 < 29."""
    edits = data.draw(st.integers(0, words - 1))
    best = ["a"] * words

    def proposal(edits: int) -> Proposal:
        return Proposal(" ".join(best), " ".join(["b"] * edits + best[edits:]))

    rate = float(Fraction(edits, words))
    assert allows(guard, proposal(edits), max_edit_rate=rate)
    assert not allows(guard, proposal(edits + 1), max_edit_rate=rate)


@pytest.mark.parametrize("guard", ["words", "edits", "margin", "heard"])
def test_no_text_is_emptied_and_none_is_made_of_nothing(guard: str) -> None:
    words = {"a", "b"}
    for best, text in (("a b", ""), ("a b", " "), ("a", ""), ("", "a"), ("", "a b")):
        assert not allows(guard, Proposal(best, text, words))
        assert allows("none", Proposal(best, text, words))
    assert allows(guard, Proposal("", "", words))


@pytest.mark.parametrize("guard", ["edits", "margin", "heard"])
@pytest.mark.parametrize(
    ("words", "left", "allowed"),
    [
        (200, 1, False),
        (200, 99, False),
        (200, 100, True),
        (6, 2, False),
        (6, 3, True),
        (3, 1, True),
        (2, 1, True),
    ],
)
def test_no_text_is_shortened_to_less_than_half(guard: str, words: int, left: int, allowed: bool) -> None:
    """Whatever the edit rate lets through; deleting every word is a rate of 1. Two words may always go."""
    best = " ".join(["you"] * words)
    other = " ".join(["me"] * left)  # replaced and deleted at once
    for text in (" ".join(["you"] * left), other):
        assert allows(guard, Proposal(best, text), max_edit_rate=1.0) is allowed
    assert allows(guard, Proposal(best, " ".join(["you"] * left)), max_edit_rate=1.0, max_deletion_rate=1.0)


def test_every_threshold_can_be_set_where_another_can(tiny_corrector: Callable[..., Corrector]) -> None:
    """Each by itself as a change of the guard's settings, and each of them decides about some list."""
    corrector = tiny_corrector(
        n_best=2, skip_agreeing=False, guard={"name": "margin", "max_edit_rate": 100.0}
    )
    texts = [["turn of the light", "turn off the light"], ["half past ten", "half past two", "have ten"]]
    lists = [NBest.from_texts(str(number), each) for number, each in enumerate(texts)]
    lists.append(
        NBest.from_texts(
            "long",
            [
                "the fare what is night train from oslo arrives at noon when half past ten boston denver sunday",
                "what is the fare",
            ],
        )
    )
    free = {"max_edit_rate": 100.0, "max_deletion_rate": 1.0, "min_gain": -1e6}
    let_through = corrector.correct(lists, guard_changes=free)
    assert {each.source for each in let_through} <= {"llm", "too_long", "loop"}
    for name, strict in {"max_edit_rate": 0.0, "max_deletion_rate": 0.0, "min_gain": 1e6}.items():
        changed = corrector.correct(lists, guard_changes=free | {name: strict})
        by_settings = GuardConfig.model_validate({"name": "margin", **free, name: strict})
        assert changed == corrector.correct(lists, guard=by_settings)
        assert [each.text for each in changed] != [each.text for each in let_through]
