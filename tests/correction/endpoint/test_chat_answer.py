"""The transcription is found in what chat models write around it."""

from __future__ import annotations

import pytest

from robustger.correction.endpoint.chat_answer import transcription_in

BEST = "what is the fair to denver"
FARE = "what is the fare to denver"


@pytest.mark.parametrize(
    "content",
    [
        FARE,
        f"  {FARE}\n",
        f'"{FARE}"',
        f"“{FARE}”",
        f"**{FARE}**",
        f"`{FARE}`",
        f"```\n{FARE}\n```",
        f"```text\n{FARE}\n```\nI changed one word.",
        f"> {FARE}",
        f"- {FARE}",
        f"# {FARE}",
        f"Here is the corrected transcription:\n\n{FARE}",
        f"Here's the corrected text: {FARE}",
        f'Sure! Here is the most likely transcription:\n\n**"{FARE}"**\n\nLet me know if you need more.',
        f"Transcription: {FARE}",
        f"**Transcription:** {FARE}",
        f"The most likely transcription is: {FARE}",
        f"Corrected text:\n{FARE}",
        f'{{"transcription": "{FARE}"}}',
        f'["{FARE}"]',
        f'{{"hypotheses": ["{FARE}"]}}',
        f'```json\n{{"text": "{FARE}"}}\n```',
        f"<think>fair or fare?\nfare.</think>\n\n{FARE}",
        f"<THINK>a</THINK><think>b</think>{FARE}",
        f"the template began these thoughts</think>{FARE}",
        f"{FARE}\n\n(Note: 'fair' was replaced by 'fare'.)",
    ],
)
def test_decoration_is_taken_away(content: str) -> None:
    assert transcription_in(content, BEST) == FARE


@pytest.mark.parametrize("content", ["<think>and so on", "a</think><think>again", "<think>" * 100_000])
def test_an_answer_that_ends_in_its_thoughts_is_none(content: str) -> None:
    assert transcription_in(content, BEST) is None


@pytest.mark.parametrize("content", ["", " \n", "``` \n```", "**", "<think></think>"])
def test_an_answer_without_words_is_empty(content: str) -> None:
    assert transcription_in(content, BEST) in ("", "``` ```", "```")


@pytest.mark.parametrize(
    ("content", "best"),
    [
        ("here is the thing: it leaves at nine", "here is the thing it leaves at nine"),
        ("answer: the phone", "answer the phone"),
        ("sure thing: at nine", "sure thing at nine"),
        ("'twas the night before", "twas the night before"),
        ("a 5 * 3 grid", "a five times three grid"),
        ("he said nine: not ten", "he said nine not ten"),
        ("{not json} at all", "not json at all"),
    ],
)
def test_what_was_said_is_kept(content: str, best: str) -> None:
    assert transcription_in(content, best) == content


def test_json_without_an_end_does_no_harm() -> None:
    assert transcription_in("[" * 60_000, BEST) == "[" * 60_000
