"""Lists in the recognizer's own writing: the corrector reads plain words, and writes as the list is written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.correction.cases import TEXTS

from robustger.correction import Corrector, CorrectorConfig
from robustger.correction.files import correct_file
from robustger.correction.writing import Writing, knows_language
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript, load_nbest, save_nbest
from robustger.hypotheses.distinct import first_distinct
from robustger.text import normalize, without_accents

SPOKEN = [  # as a recognizer with capitals and numerals writes them
    ["Mario's castle is old.", "Mario's castles is old.", "Marios castle is old.", "Mario's castle is cold."],
    ["The lens is 50 mm wide.", "The lens is 15 mm wide.", "The lens is 50 mm white.", "Lens is 50 mm wide."],
    ["It was -5 degrees on Monday.", "It was 5 degrees on Monday.", "It is -5 degrees on Monday."],
    ["The president's wife met the men's team.", "The presidents wife met the mens team."],
    ["The ticket costs 3,50 € in Köln.", "The ticket cost 3,50 € in Köln.", "The ticket costs 3,50 € in Koln."],
    ["We need one more rep for the set.", "We need one more reps for the set."],
    ["I don’t know José.", "I don’t know Jose.", "I don’t know hose."],
]  # fmt: skip
FOREIGN = [
    "हिन्दी भाषा में बोलिए।",
    "Die Straße ist schön, 3 Häuser für 1,5 Mio. Euro.",
    "Où est la forêt ?",
    "สวัสดีครับ",
    "Łódź jest piękna",
    "Он пришёл в 5 часов",
]


@pytest.fixture(scope="module")
def corrector(tiny_corrector: Callable[..., Corrector]) -> Corrector:
    return tiny_corrector(max_new_tokens=40)


def both_forms(texts: list[str], normalizer: str = "spoken", language: str | None = None) -> NBest:
    plain = [normalize(text, normalizer) for text in texts]
    return NBest.from_texts(texts[0], plain, written=texts, language=language)


def answered(nbest: NBest, text: str) -> Transcript:
    """The transcript of a list whose language model writes the text, as it reads: without accents."""
    writing = Writing.of(nbest, CorrectorConfig())
    text = without_accents(text)
    read = Transcript(nbest.id, text, " ".join(writing.plain.best.split()), text, "llm", "none", 0.5)
    return writing.transcript(read)


@pytest.mark.parametrize(
    ("texts", "text", "written"),
    [
        (SPOKEN[0], "mario's castle is cold", "Mario's castle is cold."),
        (SPOKEN[1], "the lens is fifteen mm wide", "The lens is 15 mm wide."),
        (SPOKEN[2], "it was five degrees on monday", "It was 5 degrees on Monday."),
        (SPOKEN[3], "the president's wife met the mens team", "The president's wife met the mens team."),
        (SPOKEN[4], "the ticket cost three point five zero euros in köln", "The ticket cost 3,50 € in Köln."),
        (SPOKEN[5], "we need one more reps for the set", "We need one more reps for the set."),
        (SPOKEN[6], "i don't know hose", "I don’t know hose."),
    ],
)
def test_a_correction_comes_in_the_lists_own_writing(texts: list[str], text: str, written: str) -> None:
    both = answered(both_forms(texts), text)
    assert (both.text, both.written, both.best) == (text, written, normalize(texts[0], "spoken"))
    alone = answered(NBest.from_texts("a", texts), text)
    assert (alone.text, alone.generated, alone.written, alone.best) == (written, written, None, texts[0])


@pytest.mark.parametrize("texts", SPOKEN)
def test_what_does_not_change_stays_letter_for_letter(texts: list[str]) -> None:
    plain = normalize(texts[0], "spoken")
    assert answered(both_forms(texts), plain).written == texts[0]
    assert answered(NBest.from_texts("a", texts), plain).text == texts[0]


def test_english_is_read_without_accents_and_written_with_them() -> None:
    """A corrector that has never seen "josé" would write another word."""
    texts = ["José met Zoë in Köln.", "Jose met Zoe in Koln.", "José met so in Köln."]
    for nbest in (both_forms(texts), NBest.from_texts("a", texts)):
        read = Writing.of(nbest, CorrectorConfig()).plain.texts
        assert read == ("jose met zoe in koln", "jose met zoe in koln", "jose met so in koln")
    found = answered(both_forms(texts), "jose met so in koln")
    assert (found.text, found.written) == ("josé met so in köln", "José met so in Köln.")
    assert found.best == "josé met zoë in köln"
    german = CorrectorConfig(languages=["de"])
    assert Writing.of(both_forms(texts), german).plain.best == "josé met zoë in köln"


def test_plain_lists_are_read_as_they_are() -> None:
    for texts in TEXTS:
        nbest = NBest.from_texts("a", texts, scores=[-1.0] * len(texts))
        writing = Writing.of(nbest, CorrectorConfig())
        assert writing.plain is nbest
        assert writing.written is None


@pytest.mark.parametrize("normalizer", ["words", "hyporadise"])
def test_lists_of_other_normalizers_find_back(normalizer: str) -> None:
    texts = ["It's 5 o'clock, and late.", "It's 5 o'clock, and fate."]
    nbest = both_forms(texts, normalizer)
    assert answered(nbest, nbest.texts[1]).written == texts[1]
    assert answered(nbest, nbest.texts[0]).written == texts[0]


def test_the_corrector_reads_plain_words(corrector: Corrector) -> None:
    """Whatever the form of a list, the model reads the same, and its answer comes in each list's form."""
    plain = corrector.correct([NBest.from_texts("a", [normalize(t, "spoken") for t in ts]) for ts in SPOKEN])
    both = corrector.correct([dataclasses.replace(both_forms(texts), id="a") for texts in SPOKEN])
    alone = corrector.correct([NBest.from_texts("a", texts) for texts in SPOKEN])
    assert any(transcript.text != transcript.best for transcript in plain)
    for expected, found, own, texts in zip(plain, both, alone, SPOKEN, strict=True):
        assert found.written is not None
        assert dataclasses.replace(found, written=None) == expected
        assert own.text == found.written
        assert (own.best, own.written) == (texts[0], None)
        assert normalize(found.written, "spoken") == normalize(expected.text, "spoken")
        if expected.text == expected.best:
            assert found.written == texts[0]


def test_raw_reads_lists_as_they_are(tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector(normalizer="raw")
    writing = Writing.of(NBest.from_texts("a", SPOKEN[1]), corrector.config)
    assert (writing.written, list(writing.plain.texts)) == (None, SPOKEN[1])


@pytest.mark.parametrize("text", FOREIGN)
def test_other_languages_pass_through_letter_for_letter(corrector: Corrector, text: str) -> None:
    lists = [
        NBest.from_texts("told", [text, text], language="xx"),
        NBest.from_texts("obvious", [text, text]),
        both_forms([text, f"{text} x"], "words", language="de-AT"),
    ]
    for nbest, transcript in zip(lists, corrector.correct(lists, skip_agreeing=False), strict=True):
        assert (transcript.source, transcript.passes, transcript.confidence) == ("language", 0, 0.0)
        assert (transcript.text, transcript.generated) == (nbest.best, nbest.best)
    assert transcript.written == text


@pytest.mark.parametrize("text", [texts[0] for texts in SPOKEN] + ["Café.", "", "...", "1 2 3", "naïve José"])
def test_english_is_not_taken_for_another_language(text: str) -> None:
    known = NBest.from_texts("a", [text, "x"], language="en_US")
    assert knows_language(known, ["en"])
    if text != "naïve José":  # obviously not English, by the look of it
        assert knows_language(NBest.from_texts("a", [text, "x"]), ["en"])


def test_a_checkpoint_says_which_languages_it_knows(
    tiny_corrector: Callable[..., Corrector], tmp_path: Path
) -> None:
    corrector = tiny_corrector(languages=["de", "en"])
    corrector.save_pretrained(tmp_path / "checkpoint")
    config = tmp_path / "checkpoint" / "config.yaml"
    assert "languages:\n- de\n- en\n" in config.read_text(encoding="utf-8")
    nbest = NBest.from_texts("a", ["die Straße", "die Gasse"], language="de")
    assert corrector.correct([nbest])[0].source != "language"
    assert corrector.correct([dataclasses.replace(nbest, language="fr")])[0].source == "language"
    lines = config.read_text(encoding="utf-8").replace("languages:\n- de\n- en\n", "")
    config.write_text(lines, encoding="utf-8")  # as checkpoints were before
    assert Corrector.from_pretrained(tmp_path / "checkpoint").config.languages == ["en"]


def test_a_file_counts_what_it_passes_through(corrector: Corrector, tmp_path: Path) -> None:
    lists = [
        NBest.from_texts("de", ["Das ist gut.", "Das ist Gut."], language="de"),
        both_forms(SPOKEN[1]),
        NBest.from_texts("hi", [FOREIGN[0], "x"]),
    ]
    save_nbest(lists, tmp_path / "lists.jsonl")
    assert load_nbest(tmp_path / "lists.jsonl") == lists
    summary = correct_file(lambda: corrector, tmp_path / "lists.jsonl", tmp_path / "out.jsonl")
    assert (summary.lists, summary.foreign, summary.languages) == (3, 2, ("en",))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["source"] == "language" for row in rows] == [True, False, True]
    assert ["written" in row for row in rows] == [False, True, False]


def test_an_unknown_normalizer_is_told(tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector(normalizer="spokn")
    with pytest.raises(InputError, match=r"unknown normali[sz]er 'spokn'; choose one of: "):
        corrector.correct([NBest.from_texts("a", ["b"])])


@pytest.mark.parametrize("guard", ["words", "edits", "margin", "heard"])
@pytest.mark.parametrize("end", [20.0, -20.0])
def test_no_guard_empties_or_fills_a_text(
    tiny_corrector: Callable[..., Corrector], guard: str, end: float
) -> None:
    """A model that ends at once would empty every text, and one that never wants to end would fill an empty one."""
    import torch

    corrector = tiny_corrector(skip_agreeing=False)
    with torch.no_grad():
        head = corrector.llm.llm.lm_head.weight
        head[:, 0] = 0.0
        head[corrector.tokenizer.eos_token_id, 0] = end
    lists = [
        NBest.from_texts("you", [" ".join(["you"] * 60)] * 2),
        NBest.from_texts("short", ["half past ten", "half"]),
        NBest.from_texts("one", ["you", ""]),
        NBest.from_texts("nothing", ["", "thank you", "you"]),
        NBest.from_texts("only punctuation", ["...", "Thank you.", "You."]),
    ]
    changes = {} if guard == "words" else {"max_edit_rate": 1.0}
    transcripts = corrector.correct(lists, guard=guard, guard_changes=changes)
    assert any(not transcript.generated for transcript in transcripts) or end < 0
    for nbest, transcript in zip(lists, transcripts, strict=True):
        words = len(normalize(nbest.best, "spoken").split())
        kept = len(normalize(transcript.text, "spoken").split())
        assert bool(words) == bool(kept)
        if guard != "words":
            assert words - kept <= max(2, words // 2)
        if not words:
            assert transcript.text == nbest.best


def test_repeats_push_no_other_hypothesis_out(corrector: Corrector) -> None:
    texts = ["flight won to denver", "flight one to denver", "flight on to denver", "flights one to denver"]
    merged = corrector.correct([NBest.from_texts("a", texts)])
    assert corrector.correct([NBest.from_texts("a", texts[:1] * 5 + texts)]) == merged
    assert corrector.correct([NBest.from_texts("a", [texts[0], f" {texts[0]}  "] * 3 + texts[1:])]) == merged
    repeated = ["Flight 1 to Denver.", "flight one to Denver", "Flight one, to Denver!"] * 2 + ["Flight on."]
    read = Writing.of(NBest.from_texts("a", repeated), corrector.config).plain
    assert list(read.texts) == ["flight one to denver", "flight on"]


def test_training_reads_the_same_hypotheses(corrector: Corrector) -> None:
    """Prompt and noise are made of what `correct` reads; lists of N or fewer stay as they are, repeats included."""
    import torch

    texts = ["a fair", "a fair", "the fair", "the fair", "a fare", "the fare", "her fare", "his fare"]
    chosen = ["a fair", "the fair", "a fare", "the fare", "her fare"]
    assert first_distinct(texts, 5) == chosen
    assert first_distinct(texts[:5], 5) == texts[:5]
    assert corrector.prompt_tokens(texts) == corrector.prompt_tokens(chosen)
    assert torch.equal(corrector.noise_embedding([texts]), corrector.noise_embedding([chosen]))
    assert not torch.equal(corrector.noise_embedding([texts]), corrector.noise_embedding([texts[:5]]))
