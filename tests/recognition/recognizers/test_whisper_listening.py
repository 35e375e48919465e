"""Holding texts against audio: scores against plain forward passes, word times against speech whose times are known."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny_whisper import babble, build_tiny_whisper, in_openai_order

from robustger.audio import read_audio
from robustger.errors import InputError, MissingModelError
from robustger.models import resolve_model
from robustger.recognition import Recognizer, load_recognizer
from robustger.recognition.recognizer import Listens, Word
from robustger.recognition.recognizers.recent import KEPT, Recent
from robustger.recognition.recognizers.whisper_listening import first_columns
from robustger.recognition.recognizers.word_times import Spelling, words_of_tokens

ENGINES = ("whisper", "faster-whisper")
TEXTS = ["the night train", "show me the door", "", "on", "the night train to lisbon"]


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Whisper with two languages and OpenAI's order of tokens, so that both engines run it."""
    folder = build_tiny_whisper(tmp_path_factory.mktemp("listening") / "tiny", kind="multilingual")
    in_openai_order(folder)
    return folder


@pytest.fixture(scope="module")
def listener(multilingual: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Makes a recognizer of the tiny checkpoint: kind and options."""
    if "ROBUSTGER_CACHE" not in os.environ:
        os.environ["ROBUSTGER_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    made: dict[str, Recognizer] = {}

    def make(kind: str, **options: Any) -> Any:
        key = repr((kind, options))
        if key not in made:
            made[key] = load_recognizer(kind, multilingual, device="cpu", **options)
        return made[key]

    return make


@pytest.fixture(scope="module")
def lab() -> Any:
    folder = resources.files("robustger.presets") / "lab" / "recognizer"
    return load_recognizer("whisper", str(folder), device="cpu")


def embedded(kind: str, dtype: str = "float32", **options: Any) -> Any:
    """whisper-base as it is embedded in a package; the test is skipped where it is not installed."""
    try:
        resolve_model("whisper-base")
    except MissingModelError as error:
        pytest.skip(str(error))
    return load_recognizer(kind, "whisper-base", device="cpu", dtype=dtype, **options)


def recordings(count: int) -> list[np.ndarray]:
    """Read English speech; the test is skipped where there is none."""
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no speech to hear")
    files = sorted((Path(data) / "audio" / "librispeech" / "test-clean-dev").glob("*.opus"))
    return [read_audio(file) for file in files[:: len(files) // count][:count]]


# -- scores


@pytest.fixture(scope="module")
def forced(multilingual: Path, teacher_forced: Callable[..., Any]) -> Callable[..., Any]:
    """Log-probabilities of a text's tokens and the end by a plain forward pass: (T + 1, V), and the T + 1 tokens."""
    tokenizer = json.loads((multilingual / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]

    def run(audio: np.ndarray, text: str, language: str) -> tuple[torch.Tensor, torch.Tensor]:
        from transformers import AutoTokenizer

        ids = AutoTokenizer.from_pretrained(multilingual)(f" {text}", add_special_tokens=False)["input_ids"]
        ids = ids if text else []
        special = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        prompt = [vocabulary[token] for token in special]
        log_probs = teacher_forced(multilingual, audio, [*prompt, *ids])[len(prompt) - 1 :]
        return log_probs, torch.tensor([*ids, vocabulary["<|endoftext|>"]])

    return run


@pytest.mark.parametrize("language", ["en", "de"])
def test_whisper_scores_as_a_plain_forward_pass(
    listener: Callable[..., Any], forced: Callable[..., Any], language: str
) -> None:
    for seed in range(3):
        audio = babble(1.0, seed)
        found = listener("whisper").score(audio, TEXTS, language=language)
        for text, score in zip(TEXTS, found, strict=True):
            log_probs, ids = forced(audio, text, language)
            assert score == pytest.approx(log_probs.gather(1, ids[:, None]).sum().item(), abs=1e-4)


@pytest.mark.parametrize("language", ["en", "de"])
def test_faster_whisper_scores_over_what_may_be_written(
    multilingual: Path, listener: Callable[..., Any], forced: Callable[..., Any], language: str
) -> None:
    settings = json.loads((multilingual / "generation_config.json").read_text(encoding="utf-8"))
    recognizer = listener("faster-whisper")
    for seed in range(3):
        audio = babble(1.0, seed)
        found = recognizer.score(audio, TEXTS, language=language)
        for text, score in zip(TEXTS, found, strict=True):
            log_probs, ids = forced(audio, text, language)
            chosen = log_probs.gather(1, ids[:, None])[:, 0]
            log_probs[:, [*settings["suppress_tokens"], *recognizer._suppressed]] = -np.inf
            log_probs[0, settings["begin_suppress_tokens"]] = -np.inf
            log_probs.scatter_(1, ids[:, None], chosen[:, None])
            assert score == pytest.approx((chosen - log_probs.logsumexp(1)).sum().item(), abs=1e-3)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_score_does_not_depend_on_the_texts_beside_it(listener: Callable[..., Any], kind: str) -> None:
    recognizer, audio = listener(kind), babble(1.3, 5)
    together = recognizer.score(audio, TEXTS * 5)
    assert together[: len(TEXTS)] == pytest.approx(together[-len(TEXTS) :], abs=1e-4)
    assert together[: len(TEXTS)] == pytest.approx(
        [recognizer.score(audio, [text])[0] for text in TEXTS], abs=1e-4
    )
    assert recognizer.score(audio, []) == []
    with pytest.raises(InputError, match="a list of texts is needed, not the text 'hello' itself"):
        recognizer.score(audio, "hello")


def test_hypotheses_have_the_scores_of_their_texts(lab: Any) -> None:
    demo = resources.files("robustger.presets") / "lab" / "demo"
    checked = 0
    for name in ("white_10dB.flac", "car_0dB.flac"):
        audio = read_audio(str(demo / name))
        (found,) = lab.recognize([audio])
        scores = lab.score(audio, [h.text for h in found.hypotheses])
        for hypothesis, score in zip(found.hypotheses, scores, strict=True):
            # The search may have found another spelling, which has its own score.
            checked += hypothesis.score == pytest.approx(score, abs=1e-3)
    assert checked >= 9


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.01), ("int8", 1.5)])
def test_real_hypotheses_have_the_scores_of_their_texts(dtype: str, tolerance: float) -> None:
    """In int8 each of the fifty or so tokens is rounded otherwise in a search and in a pass over a given text."""
    (audio,) = recordings(1)
    recognizer = embedded("faster-whisper", dtype)
    (found,) = recognizer.recognize([audio], beams=5)
    scores = recognizer.score(audio, [h.text for h in found.hypotheses])
    assert scores == pytest.approx([h.score for h in found.hypotheses], abs=tolerance)


@pytest.mark.slow
def test_both_engines_score_real_speech_alike() -> None:
    """The same numbers, once CTranslate2's are taken over all tokens, too; else they differ by much the same."""
    (audio,) = recordings(1)
    by_transformers, by_ctranslate2 = embedded("whisper"), embedded("faster-whisper")
    (found,) = by_transformers.recognize([audio], beams=5)
    texts = [*(h.text for h in found.hypotheses), "Something else was said."]
    ours, theirs = by_transformers.score(audio, texts), by_ctranslate2.score(audio, texts)
    differences = np.subtract(theirs, ours)
    assert (differences > 0).all()
    assert (differences < 1).all()
    assert np.ptp(differences[:-1]) < 0.1
    by_ctranslate2._suppressed, by_ctranslate2._suppressed_at_first = [], []
    assert by_ctranslate2.score(audio, texts) == pytest.approx(ours, abs=0.01)
    assert ours[-1] < min(ours[:-1]) - 20


# -- times


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 10_000))
def test_the_cheapest_way_through_a_matrix(rows: int, columns: int, seed: int) -> None:
    costs = np.random.default_rng(seed).standard_normal((rows, columns))

    def cheapest(row: int, column: int) -> tuple[float, list[int]]:
        """By trying all ways to a cell: its cost, and the columns at which rows are entered."""
        if (row, column) == (0, 0):
            return costs[0, 0], [0]
        ways = []
        if column:
            ways.append(cheapest(row, column - 1))
        for back in (0, 1):
            if row and column >= back:
                cost, entered = cheapest(row - 1, column - back)
                ways.append((cost, [*entered, column]))
        cost, entered = min(ways)
        return cost + costs[row, column], entered

    assert first_columns(costs) == cheapest(rows - 1, columns - 1)[1]


def words_of(
    text: str, seconds: Sequence[float], cores: Sequence[tuple[int, int]] | None = None
) -> list[Word]:
    """One token a word unless `cores` says otherwise."""
    words = tuple(text.split())
    spans = list(cores or [(k, k + 1) for k in range(len(words))])
    spelling = Spelling(words, list(range(len(seconds) - 1)), [0, *(end for _, end in spans)], spans)
    return words_of_tokens(spelling, seconds, [0.5] * (len(seconds) - 1), duration=10.0)


def test_words_do_not_reach_into_pauses() -> None:
    found = words_of("so it is. Then it was here now", [0.0, 3.0, 3.2, 3.4, 6.0, 6.2, 6.4, 6.6, 9.9])
    spans = [(round(word.start, 6), round(word.end, 6)) for word in found]
    assert spans[:4] == [(2.6, 3.0), (3.0, 3.2), (3.2, 3.4), (5.6, 6.0)]
    assert spans[4:] == [(6.0, 6.2), (6.2, 6.4), (6.4, 6.6), (6.6, 7.0)]


def test_punctuation_takes_no_time() -> None:
    (said, now) = words_of('"said, now', [0.0, 0.3, 0.6, 1.5, 1.8], cores=[(1, 2), (3, 4)])
    assert (said.start, said.end, now.start, now.end) == (0.3, 0.6, 1.5, 1.8)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("text", ["", "on", "  the   night\ttrain ", "« train »  -- night…", "Ünï, हिं 你"])
def test_words_are_those_of_the_text(listener: Callable[..., Any], kind: str, text: str) -> None:
    recognizer, audio = listener(kind), babble(1.17, 3)
    assert isinstance(recognizer, Listens)
    words = recognizer.align(audio, text)
    assert [word.text for word in words] == text.split()
    times = list(itertools.chain.from_iterable((word.start, word.end) for word in words))
    assert all(0 <= time <= audio.size / 16_000 for time in times)
    assert all(word.start <= word.end for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in words)


def test_words_of_the_lab_are_heard_in_order(lab: Any) -> None:
    demo = resources.files("robustger.presets") / "lab" / "demo"
    for name in ("white_10dB.flac", "machine_0dB.flac", "rain_5dB.flac", "crowd_0dB.flac"):
        audio = read_audio(str(demo / name))
        (found,) = lab.recognize([audio], n=1)
        text = found.hypotheses[0].text
        words = lab.align(audio, text)
        assert [word.text for word in words] == text.split()
        starts = [word.start for word in words]
        assert starts == sorted(starts)
        seconds = audio.size / 16_000
        assert all(0 <= word.start <= word.end <= seconds for word in words)
        assert starts[0] < 0.25 * seconds
        assert starts[-1] > 0.5 * seconds
        assert len(set(starts)) > 0.6 * len(starts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_words_move_with_the_speech(kind: str) -> None:
    """The same sentence a second later has the same words a second later, with either writing."""
    recognizer = embedded(kind)
    (audio,) = recordings(1)
    text = recognizer.recognize([audio], n=1, beams=1)[0].hypotheses[0].text
    later = np.concatenate([np.zeros(16_000, np.float32), audio])[: 30 * 16_000]
    plain = text.lower().translate(str.maketrans("", "", ".,!?"))
    before = recognizer.align(audio, text)
    for other in (recognizer.align(later, text), recognizer.align(later, plain)):
        moved = [b.start - a.start for a, b in zip(before, other, strict=True)]
        assert np.median(moved) == pytest.approx(1.0, abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "dtype"), [("whisper", "float32"), ("faster-whisper", "int8")])
def test_times_are_those_of_faster_whisper(kind: str, dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed: nothing to compare with")
    from faster_whisper import WhisperModel

    from robustger.models import resolve_ctranslate2

    audios = recordings(3)
    recognizer = embedded(kind, dtype)
    reference = WhisperModel(str(resolve_ctranslate2("whisper-base")), device="cpu", compute_type="float32")
    starts, ends = [], []
    for audio in audios:
        segments, _ = reference.transcribe(audio, language="en", beam_size=1, word_timestamps=True)
        theirs: list[Any] = [word for segment in segments for word in segment.words or ()]
        ours = recognizer.align(audio, "".join(word.word for word in theirs))
        assert [word.text for word in ours] == [word.word.strip() for word in theirs]
        starts += [abs(a.start - b.start) for a, b in zip(ours, theirs, strict=True)]
        ends += [abs(a.end - b.end) for a, b in zip(ours, theirs, strict=True)]
    assert len(starts) > 20
    assert np.median(starts) < 0.08
    assert np.median(ends) < 0.08


# -- requests, and what they cost


@pytest.mark.parametrize("kind", ENGINES)
def test_what_cannot_be_held_against_audio_is_refused(listener: Callable[..., Any], kind: str) -> None:
    recognizer = listener(kind)
    long = "the night train to lisbon leaves " * 9
    for request in (
        lambda: recognizer.align(babble(1.0, 1), long),
        lambda: recognizer.score(babble(1.0, 1), ["on", long]),
    ):
        with pytest.raises(
            InputError, match=r"the text beginning with 'the night train to lisbon' has \d+ tokens and"
        ):
            request()
    with pytest.raises(InputError, match="audio 0 lasts"):
        recognizer.align(babble(2.1, 1), "on")
    with pytest.raises(InputError, match="knows no language 'fr'; choose among: de, en"):
        recognizer.score(babble(1.0, 1), ["on"], language="fr")


def test_one_audio_is_encoded_once(multilingual: Path) -> None:
    recognizer: Any = load_recognizer("whisper", multilingual, device="cpu", language="auto")
    passes: list[int] = []
    recognizer._model.model.encoder.register_forward_hook(lambda *_: passes.append(1))
    audio = babble(1.0, 1)
    recognizer.recognize([audio])
    recognizer.score(audio.copy(), TEXTS)
    recognizer.align(audio, "the night train")
    assert len(passes) == 1
    recognizer.align(babble(1.0, 2), "the night train")
    assert len(passes) == 2


def test_only_the_last_audios_are_kept() -> None:
    recent: Recent[int] = Recent()
    audios = [babble(0.1, seed) for seed in range(KEPT + 3)]
    for number, audio in enumerate(audios):
        recent.keep(audio, number)
        assert recent.get(audios[0]) == 0  # what is asked for stays
    kept = [recent.get(audio) for audio in audios]
    assert kept == [0, None, None, None, *range(4, KEPT + 3)]
    assert recent.get(audios[0].astype(np.float64)) is None


# -- languages


def test_the_language_is_the_likeliest_of_the_checkpoint(
    multilingual: Path, listener: Callable[..., Any], teacher_forced: Callable[..., Any]
) -> None:
    tokenizer = json.loads((multilingual / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    recognizer = listener("whisper", language="auto")
    audios = [babble(seconds, seed) for seed, seconds in enumerate((1.0, 0.4, 1.9, 1.2, 0.8, 1.5))]
    expected = []
    for audio in audios:
        log_probs = teacher_forced(multilingual, audio, [vocabulary["<|startoftranscript|>"]])[0]
        expected.append(max(("en", "de"), key=lambda code: float(log_probs[vocabulary[f"<|{code}|>"]])))
    found = recognizer.recognize(audios)
    assert [one.language for one in found] == expected
    for audio, one, code in zip(audios, found, expected, strict=True):
        (given,) = listener("whisper", language=code).recognize([audio])
        assert given.language == code
        assert [h.text for h in given.hypotheses] == [h.text for h in one.hypotheses]


def test_ctranslate2_says_where_it_detects_no_language(listener: Callable[..., Any]) -> None:
    with pytest.raises(
        InputError, match="CTranslate2 detects no languages with a vocabulary that is not OpenAI's"
    ):
        listener("faster-whisper", language="auto")
    assert listener("faster-whisper", language="de").recognize([babble(0.5, 1)], n=1)[0].language == "de"


def test_checkpoints_of_one_language_say_english(make_whisper: Callable[..., Path]) -> None:
    for kind in ("scratch", "english"):
        for language in (None, "auto", "English"):
            recognizer = load_recognizer("whisper", make_whisper(kind=kind), device="cpu", language=language)
            assert recognizer.recognize([babble(0.5, 1)], n=1)[0].language == "en"


def test_unknown_languages_are_named(multilingual: Path) -> None:
    for kind in ENGINES:
        with pytest.raises(
            InputError, match=r"unknown language 'klingon'; give a code such as 'en', .* or 'auto'"
        ):
            load_recognizer(kind, multilingual, language="klingon")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_english_speech_is_heard_as_english(kind: str) -> None:
    audios = recordings(2)
    found = embedded(kind, language="auto").recognize(audios, n=1, beams=1)
    assert [one.language for one in found] == ["en", "en"]


# -- widths


@pytest.mark.parametrize("kind", ENGINES)
def test_the_search_is_as_wide_as_it_is_asked_to_be(listener: Callable[..., Any], kind: str) -> None:
    """One search of that width, of which repeats are left out; "paper" is one of 50 beams."""
    from robustger.recognition.search.strategy import distinct

    audio = babble(1.2, 4)
    recognizer = listener(kind)
    for beams, asked in ((6, {"beams": 6}), (50, {"beams": 50}), (50, {"search": "paper"})):
        options = {"search": asked.pop("search")} if "search" in asked else {}
        (found,) = listener(kind, **options).recognize([audio], n=6, **asked)
        with torch.inference_mode():
            states = recognizer._encode([audio])
            if kind == "whisper":
                (all_of_it,) = recognizer._found(states, ["en"], beams)
            else:
                (all_of_it,) = recognizer._found(states, [recognizer._prompts.ids("en")], beams, patience=1)
        assert len(all_of_it) <= beams
        expected = distinct([one.hypothesis for one in all_of_it], 6, "en")
        assert [h.text for h in found.hypotheses] == [h.text for h in expected]
        assert found.distinct == len(found.hypotheses)
