"""`robustger doctor`, and how `robustger demo` marks what a correction changed."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from robustger.cli.demo import marked_difference


def test_doctor_finds_this_installation_sound(robustger) -> None:
    result = robustger("doctor", "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert {"python", "robustger", "torch", "transformers", "device", "precision", "minilm"} <= {
        *report["environment"]
    }
    assert len(report["checks"]) == 5
    assert [check["name"] for check in report["checks"] if not check["passed"]] == []


def test_doctor_for_people(robustger) -> None:
    result = robustger("doctor")
    assert (result.code, result.err) == (0, "")
    assert sum(line.startswith("ok ") for line in result.out.splitlines()) == 5
    assert "FAILED" not in result.out


def test_differences_are_marked() -> None:
    before, after = marked_difference(
        "what is the fair to sea", "what is the fare to see", "what is the fare to me"
    )
    assert before == "what is the [red strike]fair[/] to [red strike]sea[/]"
    assert after == "what is the [bold green]fare[/] to [bold yellow]see[/]"


def test_insertions_and_deletions_are_marked() -> None:
    assert marked_difference("a b", "a b c", "a b c") == ("a b", "a b [bold green]c[/]")
    assert marked_difference("a b c", "a c", "a b c") == ("a [red strike]b[/] c", "a c")
    assert marked_difference("", "a", "") == ("", "[bold yellow]a[/]")
    assert marked_difference("a", "a", "") == ("a", "a")


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "[red]", "[/]", "[b", "日本", "🎉"]), max_size=6).map(
    " ".join
)


@given(best=TEXTS, corrected=TEXTS, reference=TEXTS)
def test_markings_change_no_word(best: str, corrected: str, reference: str) -> None:
    before, after = marked_difference(best, corrected, reference)
    assert (Text.from_markup(before).plain, Text.from_markup(after).plain) == (best, corrected)
