"""The corrector as a whole, on tiny models read from real folders."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from robustger.correction import Corrector, CorrectorConfig, GuardConfig
from robustger.correction.answers import BatchAnswers
from robustger.correction.batch import ReadingBatch
from robustger.correction.checkpoint import checkpoint_folder, presets
from robustger.correction.confidence import ConfidenceModel
from robustger.correction.decision import decide
from robustger.correction.decoding.reading import Reading
from robustger.correction.decoding.stepwise import Answer
from robustger.correction.guards.known_guards import GUARDS
from robustger.correction.list_prompts import ListPrompt
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript

LISTS = [
    NBest.from_texts(name, texts)
    for name, texts in {
        "five": ["what is the fair", "what is the fare", "what is a fare", "what's the fare", "what is fare"],
        "one": ["half past ten"],
        "two": ["turn of the light in the kitchen please", "turn off the light in the kitchen please"],
        "seven": [f"flight {word} to denver" for word in ("one", "won", "on", "wan", "an", "own", "and")],
        "agreeing": ["close the door"] * 5,
        "agreeing but for spaces": ["close the  door", " close the door\n"],
        "empty": ["", "", ""],
        "blank": ["  ", "\t"],
        "empty best": ["", "the night train", "a night train"],
        "empty second": ["the night train", ""],
        "emoji": ["see you 🎉🎉", "see you 🎊", "sea you 🎉"],
        "scripts": ["ночной поезд 夜行列車", "ночные поезда 夜行列車", "قطار الليل"],
        "special": ["what </s> is <s>", "what is </s>"],
        "numbers": ["at 9:15 on the 12", "at 9:50 on the 12th"],
    }.items()
]


@pytest.fixture(scope="module")
def corrector(tiny_corrector: Callable[..., Corrector]) -> Corrector:
    """It reads every list as it is, whatever its language and form; see test_writing.py for what others do."""
    return tiny_corrector(max_new_tokens=40, normalizer="raw", languages=["mul"])


@pytest.fixture(scope="module")
def transcripts(corrector: Corrector) -> dict[str, Transcript]:
    return {transcript.id: transcript for transcript in corrector.correct(LISTS, batch_size=5)}


def settled(transcript: Transcript) -> dict:
    """What does not depend on rounding."""
    fields = transcript.to_dict()
    return {key: value for key, value in fields.items() if key not in ("confidence", "word_confidences")}


def test_one_transcript_a_list_in_order(transcripts: dict[str, Transcript]) -> None:
    assert list(transcripts) == [nbest.id for nbest in LISTS]
    for nbest, transcript in zip(LISTS, transcripts.values(), strict=True):
        assert transcript.best == " ".join(nbest.best.split())
        assert transcript.guard == "none"
        assert 0.0 <= transcript.confidence <= 1.0
        assert transcript.text == (transcript.generated if transcript.source == "llm" else transcript.best)
        assert transcript.text == " ".join(transcript.text.split())
    assert {transcript.source for transcript in transcripts.values()} == {"llm", "agreement", "too_long"}
    assert any(transcript.text != transcript.best for transcript in transcripts.values())


@pytest.mark.parametrize(
    ("guard", "num_beams"), [("none", 1), ("words", 1), ("margin", 1), ("none", 2), ("margin", 2)]
)
def test_a_list_alone_equals_the_list_in_a_batch(corrector: Corrector, guard: str, num_beams: int) -> None:
    together = corrector.correct(LISTS, guard=guard, num_beams=num_beams, batch_size=len(LISTS))
    for nbest, transcript in zip(LISTS, together, strict=True):
        alone = corrector.correct([nbest], guard=guard, num_beams=num_beams)[0]
        assert settled(alone) == settled(transcript)
        assert alone.confidence == pytest.approx(transcript.confidence, abs=1e-4)


def test_progress_moves_with_every_batch_of_the_language_model(corrector: Corrector) -> None:
    read = [NBest.from_texts(f"u{n}", ["what is the fair", f"what is the fare {n}"]) for n in range(5)]
    skipped = [NBest.from_texts(f"s{n}", ["a b", "a b"]) for n in range(3)]
    steps: list[int] = []
    corrector.correct([*read, *skipped], batch_size=2, skip_agreeing=True, on_progress=steps.append)
    assert (steps[0], sorted(steps[1:])) == (3, [1, 2, 2])


def test_no_lists_no_transcripts(corrector: Corrector) -> None:
    assert corrector.correct([]) == []


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (NBest.from_texts("u", ["a", "b"]), "write it in brackets"),
        ("lists.jsonl", "read it with load_nbest"),
        ([["a", "b"]], "item 1 of the lists must be an NBest, not a list"),
        (None, "a list of NBest values is needed"),
    ],
)
def test_what_is_no_sequence_of_lists_is_one_line(corrector: Corrector, lists: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        corrector.correct(lists)


def test_longer_lists_are_cut(corrector: Corrector, transcripts: dict[str, Transcript]) -> None:
    seven = next(nbest for nbest in LISTS if nbest.id == "seven")
    cut = corrector.correct([NBest.from_texts("seven", seven.texts[:5])])[0]
    assert settled(cut) == settled(transcripts["seven"])


def test_agreement_needs_no_language_model(corrector: Corrector, transcripts: dict[str, Transcript]) -> None:
    for name in ("one", "agreeing", "agreeing but for spaces"):
        transcript = transcripts[name]
        assert transcript.source == "agreement"
        assert transcript.confidence > 0.9
        assert transcript.text == transcript.generated == transcript.best
    for name in ("empty", "blank"):
        assert (transcripts[name].source, transcripts[name].text) == ("agreement", "")
        assert (transcripts[name].confidence, transcripts[name].word_confidences) == (1.0, ())
    asked = corrector.correct(LISTS, skip_agreeing=False)
    sources = {transcript.id: transcript.source for transcript in asked}
    assert {name for name, source in sources.items() if source == "agreement"} == {"empty", "blank"}
    assert next(transcript for transcript in asked if transcript.id == "one").confidence < 1.0


def test_confidence_follows_the_mean_probability_of_a_token(
    corrector: Corrector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        corrector, "confidence", ConfidenceModel(log_probability=0.3)
    )  # a tiny model is never sure
    checked = 0
    for nbest, transcript in zip(LISTS, corrector.correct(LISTS, guard="words"), strict=True):
        if transcript.source != "llm" or not transcript.text:
            continue
        prompt, tokens = corrector.prompt_tokens(nbest.texts), corrector.answer_tokens(transcript.text)
        logits = corrector.logits(
            torch.tensor([[*prompt, *tokens]]), corrector.noise_embedding([nbest.texts])
        )[0, len(prompt) - 1 : -1]
        chosen = logits.log_softmax(-1).gather(-1, torch.tensor(tokens)[:, None])
        probability = math.exp(chosen.mean().item())
        expected = corrector.confidence.judged(dataclasses.replace(transcript, confidence=probability), nbest)
        assert transcript.word_confidences == pytest.approx(expected.word_confidences, abs=2e-4)
        assert transcript.confidence == pytest.approx(expected.confidence, abs=2e-4)
        checked += len(tokens) > 1
    assert checked


@pytest.mark.parametrize(("guard", "num_beams"), [("none", 1), ("words", 1), ("margin", 1), ("margin", 2)])
def test_passes_and_tokens_are_counted(corrector: Corrector, guard: str, num_beams: int) -> None:
    """One pass for each token where they are written one by one; the guard's passes beside them."""
    lists = [nbest for nbest in LISTS if nbest.id != "special"]
    for transcript in corrector.correct(lists, guard=guard, num_beams=num_beams):
        if transcript.source == "agreement":
            assert (transcript.passes, transcript.tokens) == (0, 0)
            continue
        drafted = num_beams == 1 and guard != "words"
        assert transcript.tokens >= 1
        assert transcript.passes >= 1
        if drafted:
            assert transcript.passes <= transcript.tokens + (guard == "margin")
        elif guard == "words":
            assert transcript.passes == transcript.tokens
        else:  # reads the prompts, weighs the 1-bests, and then perhaps stretches
            assert transcript.passes - transcript.tokens in (2, 3)


def test_special_tokens_in_a_hypothesis_are_text(corrector: Corrector) -> None:
    end = corrector.tokenizer.eos_token_id
    text = "what </s> is <s>"
    assert corrector.answer_tokens(text).index(end) == len(corrector.answer_tokens(text)) - 1
    assert end not in corrector.prompt_tokens([text])
    assert corrector.tokens.text(corrector.answer_tokens(text)) == text


def test_text_comes_back_as_its_tokens_say(corrector: Corrector) -> None:
    """Some tokenizers would tidy "do n't , please" up to "don't, please"."""
    corrector.tokenizer.clean_up_tokenization_spaces = True
    corrector.tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = True
    try:
        assert corrector.tokens.text(corrector.answer_tokens("do n't , please")) == "do n't , please"
    finally:
        corrector.tokenizer.clean_up_tokenization_spaces = False


@pytest.mark.parametrize("skip_agreeing", [True, False])
def test_what_no_model_could_read_keeps_its_best(
    corrector: Corrector, transcripts: dict[str, Transcript], skip_agreeing: bool
) -> None:
    words = " ".join(random.Random(0).choices(string.ascii_lowercase, k=10_000))
    long = NBest.from_texts("long", [words, words + " please"])
    results = corrector.correct([LISTS[0], long, LISTS[2]], skip_agreeing=skip_agreeing)
    assert settled(results[0]) == settled(transcripts["five"])
    assert settled(results[2]) == settled(transcripts["two"])
    assert (results[1].source, results[1].text, results[1].confidence) == ("too_long", words, 0.0)


@pytest.mark.parametrize("skip_agreeing", [True, False])
def test_a_list_whose_best_loops_is_passed_through(corrector: Corrector, skip_agreeing: bool) -> None:
    loop = ("and then " * 20).strip()
    for others in ([], [loop], [loop + " we", "and then"]):
        nbest = NBest.from_texts("loop", [loop, *others])
        [transcript] = corrector.correct([nbest], skip_agreeing=skip_agreeing)
        assert (transcript.source, transcript.text, transcript.passes) == ("loop", loop, 0)
    [transcript] = corrector.correct([NBest.from_texts("no loop", ["and then we", loop])])
    assert transcript.source != "loop" or transcript.text == "and then we"


def test_a_loop_that_the_language_model_writes_is_dropped(corrector: Corrector) -> None:
    nbest, loop = NBest.from_texts("u", ["the night train", "a night train"]), ("night " * 20).strip()
    tokens, written = corrector.prompt_tokens(nbest.texts), corrector.answer_tokens(loop)
    prompt = ListPrompt(0, nbest, tokens, corrector.answer_tokens(nbest.best))
    batch = ReadingBatch.of([prompt], corrector.tokens, corrector.noise)
    reading = Reading(corrector.llm, [tokens], batch.noise, corrector.tokens.end)
    answers = BatchAnswers(
        batch,
        [Answer(written[:-1], -1.0, finished=True)],
        [loop],
        reading,
        corrector.tokens,
        [1],
        None,
        corrector._prior,
    )
    [transcript] = decide(answers, GUARDS.get("none")(GuardConfig(name="none")))
    assert (transcript.source, transcript.text, transcript.generated) == ("loop", nbest.best, loop)


def test_prompts_leave_room_for_an_answer(tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector(max_new_tokens=500)  # of a context of 512
    transcript = corrector.correct([LISTS[0]])[0]
    assert (transcript.source, transcript.text) == ("too_long", LISTS[0].best)


def test_an_answer_that_does_not_end_is_dropped(tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector()
    with torch.no_grad():
        corrector.llm.llm.lm_head.weight[corrector.tokenizer.eos_token_id] = 0.0
    for transcript in corrector.correct(LISTS[:3], skip_agreeing=False):
        assert (transcript.source, transcript.text) == ("too_long", transcript.best)
        assert transcript.confidence == 0.0
        assert transcript.generated != transcript.best


def test_guards_fall_back_to_the_best_and_say_so(
    corrector: Corrector, transcripts: dict[str, Transcript]
) -> None:
    settings = GuardConfig(name="edits", max_edit_rate=0.0)
    for transcript in corrector.correct(LISTS, guard=settings):
        free = transcripts[transcript.id]
        assert (transcript.generated, transcript.guard) == (free.generated, "edits")
        assert transcript.text == transcript.best
        changed = free.source == "llm" and free.text != free.best
        assert transcript.source == ("guard" if changed else free.source)
    assert corrector.correct(LISTS, guard="edits", guard_changes={"max_edit_rate": 0.0}) == corrector.correct(
        LISTS, guard=settings
    )


def test_margin_that_nothing_reaches_keeps_the_best(corrector: Corrector) -> None:
    never = GuardConfig(name="margin", max_edit_rate=100.0, min_gain=1e6)
    for transcript in corrector.correct(LISTS, guard=never, skip_agreeing=False):
        assert transcript.text == transcript.best


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guard": "sword"}, "unknown guard 'sword'; choose one of: none, words, edits, margin"),
        ({"guard_changes": {"max_edits": 1}}, "guard: unknown key 'max_edits'"),
        ({"guard_changes": {"max_edit_rate": -1}}, "guard: max_edit_rate = -1: "),
        ({"guard_changes": {"max_edit_rate": math.nan}}, "guard: max_edit_rate = nan: "),
    ],
)
def test_wrong_guards_are_told_before_any_work(corrector: Corrector, options: dict, message: str) -> None:
    with pytest.raises(InputError) as error:
        corrector.correct([], **options)
    assert message in str(error.value)


@pytest.mark.parametrize("variant", ["paper", "released", "ger"])
@pytest.mark.parametrize("lora", [None, {"r": 2, "targets": ["q_proj", "down_proj"]}])
def test_a_checkpoint_is_the_corrector(
    tiny_corrector: Callable[..., Corrector], tmp_path: Path, variant: str, lora: dict | None
) -> None:
    corrector = tiny_corrector(variant=variant, lora=lora, n_best=3)
    corrector.save_pretrained(tmp_path / "checkpoint")
    again = Corrector.from_pretrained(tmp_path / "checkpoint", torch.float32, "cpu", trainable=True)
    assert again.config == corrector.config
    ids = torch.tensor([corrector.prompt_tokens(LISTS[0].texts)])
    noise = corrector.noise_embedding([LISTS[0].texts])
    assert torch.equal(again.noise_embedding([LISTS[0].texts]), noise)
    logits = corrector.logits(ids, noise)
    assert torch.equal(again.logits(ids, noise), logits)
    untrained = Corrector.create(corrector.config, torch.float32, "cpu")
    assert not torch.allclose(untrained.logits(ids, noise), logits)
    if lora is not None:
        without = tiny_corrector(variant=variant, n_best=3)
        without.llm.adapter.load_state_dict(corrector.llm.adapter.state_dict())
        assert not torch.allclose(without.logits(ids, noise), logits)
    if variant != "ger":
        assert not torch.allclose(corrector.logits(ids, 2 * noise), logits)


@pytest.mark.skipif(not presets(), reason="no preset is installed")
def test_a_folder_that_happens_to_have_a_presets_name_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = presets()[0]
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert (checkpoint_folder(name) / "config.yaml").is_file()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "lla', encoding="utf-8")


def other_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "whisper_encoder_of_the_future"}', encoding="utf-8")


def broken_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x00" * 64)


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def other_shapes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["intermediate_size"] = 80
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize("damage", [broken_config, other_kind, broken_weights, no_weights, other_shapes])
def test_a_broken_language_model_is_one_line(
    tiny_base: Path, tiny_encoder: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "llm"))
    damage(folder)
    config = CorrectorConfig(base=str(folder), encoder=str(tiny_encoder), noise_dimension=16)
    with pytest.raises(InputError) as error:
        Corrector.create(config, device="cpu")
    assert str(error.value).startswith(
        (
            f"{folder}: cannot be loaded as a causal language model: ",
            f"{folder}: a file of the model is broken (AutoModelForCausalLM): ",
        )
    )
    assert "\n" not in str(error.value)


def test_a_tokenizer_without_an_end_is_one_line(
    tiny_corrector: Callable[..., Corrector], tiny_base: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "llm"))
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    del config["eos_token"]
    file.write_text(json.dumps(config), encoding="utf-8")
    corrector = tiny_corrector(base=folder)
    with pytest.raises(InputError, match="has no eos_token"):
        corrector.correct(LISTS)
    for left in folder.glob("tokenizer*"):
        left.unlink()
    with pytest.raises(InputError, match="no tokenizer there"):
        tiny_corrector(base=folder).correct(LISTS)
