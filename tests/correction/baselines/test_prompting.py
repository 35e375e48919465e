"""Prompting: the model reads the right prompt, and its own greedy answer comes out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from robustger.correction.baselines import load_baseline
from robustger.correction.baselines.prompting import INSTRUCTION, Prompted, answer_line
from robustger.errors import InputError
from robustger.hypotheses import NBest

TEMPLATE = (
    "{% for message in messages %}<s>{{ message.role }}\n{{ message.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
LISTS = [
    NBest.from_texts("a", ["half passed ten", "half past ten", "half past ten"], reference="half past ten"),
    NBest.from_texts("b", ["to denver", "to denver"], reference="to denver"),
    NBest.from_texts("c", ["the light rain", "the night train", "the night rain"]),
    NBest.from_texts("d", ["please </s> close", "please close the door"], reference="please close the door"),
    NBest.from_texts("e", ["turn of", "turn off"], reference="turn off"),
    NBest.from_texts("f", ["on son day", "on sunday"], reference="on sunday"),
]


@pytest.fixture(scope="module")
def instruct(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny language model as instruct models come: with a chat template."""
    folder = tmp_path_factory.mktemp("instruct") / "llm"
    shutil.copytree(tiny_base, folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def zero_shot(instruct: Path) -> Prompted:
    return Prompted(instruct, device="cpu")


@pytest.fixture(scope="module")
def written_by_transformers(instruct: Path) -> Callable[[str, int], tuple[str, bool]]:
    """What transformers' own greedy decoding writes after a prompt, and whether it came to an end."""
    llm: Any = AutoModelForCausalLM.from_pretrained(instruct).eval()
    tokenizer = AutoTokenizer.from_pretrained(instruct)

    def write(prompt: str, limit: int) -> tuple[str, bool]:
        read = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            tokens = llm.generate(
                read, do_sample=False, repetition_penalty=1.0, max_new_tokens=limit, pad_token_id=1
            )
        answer = tokens[0, read.shape[1] :]
        finished = tokenizer.eos_token_id in answer
        return tokenizer.decode(answer, skip_special_tokens=True), finished

    return write


def test_a_prompt_is_the_instruction_and_the_distinct_hypotheses(zero_shot: Prompted) -> None:
    assert zero_shot.prompt(LISTS[0]) == (
        f"<s>user\n{INSTRUCTION}\n\nHypotheses:\nhalf passed ten\nhalf past ten\nTranscription:</s>\n"
        "<s>assistant\n"
    )


def test_a_hypothesis_cannot_end_its_turn(zero_shot: Prompted) -> None:
    assert "please close\nplease close the door\n" in zero_shot.prompt(LISTS[3])


def test_examples_are_turns_with_the_reference_as_answer(instruct: Path) -> None:
    few_shot = Prompted(instruct, [LISTS[0], LISTS[4]], shots=2, device="cpu")
    question = f"<s>user\n{INSTRUCTION}\n\nHypotheses:\n%s\nTranscription:</s>\n<s>assistant\n"
    assert few_shot.prompt(LISTS[2]) == (
        question % "half passed ten\nhalf past ten"
        + "half past ten</s>\n"
        + question % "turn of\nturn off"
        + "turn off</s>\n"
        + question % "the light rain\nthe night train\nthe night rain"
    )


def prompts(instruct: Path, lists: Sequence[NBest], **options: int) -> list[str]:
    few_shot = load_baseline("few-shot", train=LISTS, model=instruct, device="cpu", **options)
    assert isinstance(few_shot, Prompted)
    return [few_shot.prompt(nbest) for nbest in lists]


def test_examples_are_drawn_by_the_seed_and_only_where_they_show_something(instruct: Path) -> None:
    drawn = [prompts(instruct, [LISTS[2]], shots=2, seed=seed) for seed in range(6)]
    assert drawn == [prompts(instruct, [LISTS[2]], shots=2, seed=seed) for seed in range(6)]
    assert len({text for (text,) in drawn}) > 1
    for (text,) in drawn:
        assert text.count("<s>assistant\n") == 3  # two examples, and the question
        assert "to denver" not in text  # its hypotheses agree


def test_no_list_sees_its_own_reference_among_the_examples(instruct: Path) -> None:
    for seed in range(6):
        for nbest, text in zip(LISTS, prompts(instruct, LISTS, shots=3, seed=seed), strict=True):
            assert f"<s>assistant\n{nbest.reference}</s>" not in text
            assert text.count("<s>assistant\n") == 4


def test_the_answer_is_the_models_own(
    zero_shot: Prompted, instruct: Path, written_by_transformers: Callable[[str, int], tuple[str, bool]]
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(instruct)
    transcripts = list(zero_shot.transcribe(LISTS))
    assert [transcript.id for transcript in transcripts] == [nbest.id for nbest in LISTS]
    sources = set()
    for nbest, transcript in zip(LISTS, transcripts, strict=True):
        sources.add(transcript.source)
        assert transcript.best == nbest.best
        assert transcript.guard == "none"
        assert 0 <= transcript.confidence <= 1
        if transcript.source == "agreement":
            assert transcript.text == transcript.best
            continue
        longest = max(len(tokenizer(text, split_special_tokens=True)["input_ids"]) for text in nbest.texts)
        written, finished = written_by_transformers(zero_shot.prompt(nbest), 2 * (longest + 1) + 8)
        line = answer_line(written, finished)
        assert transcript.generated == " ".join(written.split())
        assert transcript.text == (nbest.best if line is None else line)
        assert transcript.source == ("too_long" if line is None else "llm")
    assert {"agreement", "llm"} <= sources


def test_lists_are_transcribed_as_if_alone(zero_shot: Prompted) -> None:
    together = [transcript.text for transcript in zero_shot.transcribe(LISTS)]
    assert [t.text for nbest in LISTS for t in zero_shot.transcribe([nbest])] == together


def test_a_list_that_exceeds_the_context_keeps_its_1_best(zero_shot: Prompted) -> None:
    long = NBest.from_texts("long", ["ten " * 300, "nine " * 300])
    first, second = zero_shot.transcribe([long, LISTS[0]])
    assert (first.source, first.text, first.confidence) == ("too_long", ("ten " * 300).strip(), 0.0)
    assert second.id == "a"


@pytest.mark.parametrize(
    ("written", "finished", "text"),
    [
        ("half past ten", True, "half past ten"),
        ("\n half  past ten \nThe sentence means", True, "half past ten"),
        ("half past ten\nThe sent", False, "half past ten"),
        ("half past t", False, None),
        ('"half past ten"', True, "half past ten"),
        ("“ half past ten ”", True, "half past ten"),
        ('they said "half past ten"', True, 'they said "half past ten"'),
        ('"', True, '"'),
        ("", True, ""),
        ("", False, None),
    ],
)
def test_the_first_line_counts_unless_it_is_cut_off(written: str, finished: bool, text: str | None) -> None:
    assert answer_line(written, finished) == text


def test_what_cannot_be_is_refused_in_one_line(tiny_base: Path, instruct: Path) -> None:
    with pytest.raises(InputError, match=r"no chat template; name an instruct model$"):
        load_baseline("zero-shot", model=tiny_base, device="cpu")
    with pytest.raises(InputError, match="5 examples are wanted, but 4 of the 6 lists"):
        load_baseline("few-shot", train=LISTS, model=instruct, shots=5)
    with pytest.raises(InputError, match="shots is 0"):
        load_baseline("few-shot", train=LISTS, model=instruct, shots=0)


@pytest.mark.slow
def test_the_embedded_model_answers_a_question_it_has_seen_examples_of() -> None:
    few_shot = load_baseline("few-shot", train=LISTS, shots=3, model="smollm2-135m", device="cpu")
    (transcript,) = few_shot.transcribe([LISTS[2]])
    assert transcript.source == "llm"
    assert transcript.text
