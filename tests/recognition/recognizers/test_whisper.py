"""Whisper's N-best lists, against searches and scores made by plain forward passes."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.tiny_whisper import END, NO_TIMESTAMPS, START, babble
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from robustger.audio import read_audio
from robustger.errors import InputError, MissingModelError
from robustger.evaluation import wer
from robustger.models import resolve_model
from robustger.recognition import Recognition, load_recognizer
from robustger.recognition.recognizer import HearsFeatures
from robustger.recognition.recognizers.whisper import WhisperRecognizer

TeacherForced = Callable[[Path, np.ndarray, Sequence[int]], torch.Tensor]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPELLING = 256 + 2  # bytes and the two special tokens: every text has one spelling, and so one score


def same(one: Recognition, other: Recognition) -> None:
    assert [h.text for h in one.hypotheses] == [h.text for h in other.hypotheses]
    assert one.distinct == other.distinct
    scores = [[h.score or 0.0 for h in recognition.hypotheses] for recognition in (one, other)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-5)
    np.testing.assert_allclose(one.padded_embedding, other.padded_embedding, atol=1e-5)  # type: ignore[arg-type]


def edit(folder: Path, copy: Path, file: str, **changes: Any) -> Path:
    """A copy of the checkpoint with other settings in one file; None removes a setting."""
    shutil.copytree(folder, copy)
    settings = json.loads((copy / file).read_text()) | changes
    (copy / file).write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
    return copy


# -- lists and scores


@pytest.mark.parametrize("length_penalty", [1.0, 0.0])
@pytest.mark.parametrize(
    ("kind", "language"), [("scratch", None), ("english", "en"), ("multilingual", "german")]
)
def test_scores_are_those_of_an_independent_rescoring(
    make_whisper: Callable[..., Path],
    teacher_forced: TeacherForced,
    audios: list[np.ndarray],
    kind: str,
    language: str | None,
    length_penalty: float,
) -> None:
    vocabulary_size = SPELLING if kind == "scratch" else SPELLING + 8
    folder = make_whisper(kind=kind, allowed=LETTERS, vocabulary=vocabulary_size, end_bias=8.0)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    vocabulary = tokenizer.get_vocab()
    prompt = {
        "scratch": [START],
        "english": [START, NO_TIMESTAMPS],
        "multilingual": [START, "<|de|>", "<|transcribe|>", NO_TIMESTAMPS],
    }[kind]
    recognizer = load_recognizer("whisper", folder, language=language, length_penalty=length_penalty)
    ended = 0
    for samples, recognition in zip(audios, recognizer.recognize(audios, n=5, beams=8), strict=True):
        assert recognition.distinct == len({h.text for h in recognition.hypotheses}) == 5
        ranks = []
        for hypothesis in recognition.hypotheses:
            text = tokenizer(hypothesis.text, add_special_tokens=False)["input_ids"]
            start = [vocabulary[token] for token in prompt]
            if len(start) + len(text) < 32:  # else the decoder's last position is taken and no end is written
                text.append(vocabulary[END])
                ended += 1
            chosen = teacher_forced(folder, samples, [*start, *text])[len(start) - 1 : -1]
            expected = chosen[range(len(text)), text].sum().item()
            assert hypothesis.score == pytest.approx(expected, abs=1e-4)
            ranks.append(expected / len(text) ** length_penalty)
        assert ranks == sorted(ranks, reverse=True)
    assert ended > 25


def test_a_wide_search_finds_what_trying_everything_finds(
    make_whisper: Callable[..., Path], teacher_forced: TeacherForced
) -> None:
    folder = make_whisper(allowed="ab", vocabulary=SPELLING, end_bias=3.0)
    samples = babble(1.2, 7)
    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    scored: dict[str, float] = {}
    for length in range(1, 5):
        for letters in itertools.product("ab", repeat=length):
            ids = [vocabulary[letter] for letter in letters] + [vocabulary[END]] * (length < 4)
            chosen = teacher_forced(folder, samples, [vocabulary[START], *ids])[:-1]
            scored["".join(letters)] = (chosen[range(len(ids)), ids].sum() / len(ids)).item()
    best = sorted(scored, key=lambda text: -scored[text])
    recognizer = WhisperRecognizer(folder, max_new_tokens=4)
    found = recognizer.recognize([samples], n=8, beams=32)[0]
    assert [hypothesis.text for hypothesis in found.hypotheses] == best[:8]


def transformers_texts(folder: Path, audios: list[np.ndarray], beams: int) -> list[str]:
    """What transformers' own search finds first."""
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    features = WhisperFeatureExtractor.from_pretrained(folder)(
        audios, sampling_rate=16_000, return_tensors="pt"
    )["input_features"]
    ids = model.generate(features, num_beams=beams, no_repeat_ngram_size=0, max_new_tokens=31)
    return [" ".join(text.split()) for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def test_the_first_is_what_transformers_finds(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    expected = transformers_texts(tiny_whisper, audios, beams=6)
    found = WhisperRecognizer(tiny_whisper).recognize(audios, beams=6)
    assert [recognition.hypotheses[0].text for recognition in found] == expected
    assert len(set(expected)) > 4  # the model listens


def test_one_beam_is_the_greedy_search(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    expected = transformers_texts(tiny_whisper, audios, beams=1)
    recognizer = WhisperRecognizer(tiny_whisper)
    found = recognizer.recognize(audios, n=1, beams=1)
    assert [recognition.hypotheses[0].text for recognition in found] == expected
    wide = {
        h.text: h.score or 0.0 for r in recognizer.recognize(audios, n=20, beams=50) for h in r.hypotheses
    }
    behind = [
        wide[text] - (r.hypotheses[0].score or 0.0)
        for text, r in zip(expected, found, strict=True)
        if text in wide
    ]
    assert min(behind) >= -1e-4  # a wide search may spell the same text better
    assert sum(abs(difference) < 1e-4 for difference in behind) >= 2


def test_asking_for_more_changes_nothing_before(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    recognizer = WhisperRecognizer(tiny_whisper)
    for one, five in zip(
        recognizer.recognize(audios, n=1, beams=10), recognizer.recognize(audios, n=5, beams=10), strict=True
    ):
        assert one.hypotheses == five.hypotheses[:1]


def test_fifty_beams(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    for recognition in WhisperRecognizer(tiny_whisper).recognize(audios[:2], n=20, beams=50):
        assert recognition.distinct == len({h.text for h in recognition.hypotheses}) == 20
        assert all(h.score is not None and -1e3 < h.score < 0 for h in recognition.hypotheses)


# -- batches


def test_a_batch_is_one_at_a_time(
    make_whisper: Callable[..., Path], tiny_whisper: Path, audios: list[np.ndarray]
) -> None:
    audios = audios[:4]
    short = make_whisper(
        allowed="abcd.,-;?!", vocabulary=SPELLING, end_bias=4.0, seed=1
    )  # most lists are short of five, and searched for again
    for folder in (tiny_whisper, short):
        recognizer = WhisperRecognizer(folder)
        together = recognizer.recognize(audios)
        narrow = WhisperRecognizer(folder, memory_gb=1e-9).recognize(audios)
        backwards = recognizer.recognize(audios[::-1])[::-1]
        for k, samples in enumerate(audios):
            same(together[k], recognizer.recognize([samples])[0])
            same(together[k], narrow[k])
            same(together[k], backwards[k])


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_memory_budget_fixes_the_passes(tiny_whisper: Path, audios: list[np.ndarray], device: str) -> None:
    """Bytes hang on how many recordings share a pass, and what is free on a GPU must not decide that."""

    def passes(recognizer: WhisperRecognizer) -> list[int]:
        sizes: list[int] = []
        hook = recognizer._model.model.encoder.register_forward_hook(
            lambda module, arguments, output: sizes.append(len(output.last_hidden_state))
        )
        recognizer.recognize(audios, n=1, beams=2)
        hook.remove()
        return sizes

    recognizer = WhisperRecognizer(tiny_whisper, device=device, memory_gb=3.5e-4)
    before = passes(recognizer)
    taken = torch.empty(2**30 if device == "cuda" else 0, dtype=torch.uint8, device=device)
    assert passes(recognizer) == before
    del taken
    assert 1 < len(before) < len(audios) == sum(before)


def test_nothing_in_nothing_out(tiny_whisper: Path) -> None:
    assert WhisperRecognizer(tiny_whisper).recognize([]) == []


# -- embeddings


def test_embeddings_are_means_over_real_frames_and_over_all(
    tiny_whisper: Path, audios: list[np.ndarray]
) -> None:
    model: Any = WhisperForConditionalGeneration.from_pretrained(tiny_whisper).eval()
    extractor = WhisperFeatureExtractor.from_pretrained(tiny_whisper)
    recognizer = WhisperRecognizer(tiny_whisper)
    one_frame = 2 * 320  # samples
    lengths = (1, one_frame, one_frame + 1, 10 * one_frame, 32_000)
    cut = [babble(2.0, 5)[:length] for length in lengths]
    assert recognizer.embedding_size == 32
    for samples, frames, recognition in zip(
        cut, (1, 1, 2, 10, 50), recognizer.recognize(cut, n=1), strict=True
    ):
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
        with torch.no_grad():
            states = model.model.encoder(features).last_hidden_state[0].numpy()
        assert recognition.embedding.dtype == np.float32
        np.testing.assert_allclose(recognition.embedding, states[:frames].mean(0), atol=1e-5)
        assert recognition.padded_embedding is not None
        np.testing.assert_allclose(recognition.padded_embedding, states.mean(0), atol=1e-5)


def test_embeddings_without_a_search_are_those_of_one(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    recognizer = WhisperRecognizer(tiny_whisper)
    found = recognizer.recognize(audios, n=1, beams=2)
    for narrow in (recognizer, WhisperRecognizer(tiny_whisper, memory_gb=1e-9)):
        for one, other in zip(narrow.embed(audios), found, strict=True):
            assert other.padded_embedding is not None
            assert one.padded is not None
            # Batches of other sizes are summed in another order.
            np.testing.assert_allclose(one.real, other.embedding, atol=1e-5)
            np.testing.assert_allclose(one.padded, other.padded_embedding, atol=1e-5)
    assert recognizer.pads
    assert recognizer.embed([]) == []
    with pytest.raises(InputError, match="audio 1 lasts"):
        recognizer.embed([audios[0], babble(2.1, 1)])


def test_features_made_elsewhere_count_as_their_audio(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    recognizer = WhisperRecognizer(tiny_whisper)
    assert isinstance(recognizer, HearsFeatures)
    features_of = pickle.loads(pickle.dumps(recognizer.features_of))  # as another process gets it
    heard = [features_of(audio) if k % 2 else audio for k, audio in enumerate(audios)]
    assert [one.size for one in heard] == [audio.size for audio in audios]
    for one, other in zip(recognizer.recognize(heard), recognizer.recognize(audios), strict=True):
        assert one.hypotheses == other.hypotheses
        np.testing.assert_array_equal(one.embedding, other.embedding)
    for one, other in zip(recognizer.embed(heard), recognizer.embed(audios), strict=True):
        np.testing.assert_array_equal(one.real, other.real)
    with pytest.raises(InputError, match="audio 0 lasts"):
        features_of(babble(2.1, 1))


# -- checkpoints


def test_window_and_hop_are_the_checkpoint_s(make_whisper: Callable[..., Path]) -> None:
    recognizer = WhisperRecognizer(make_whisper(seconds=5, hop_length=160))
    assert recognizer.window_seconds == 5
    assert recognizer.recognize([babble(5.0, 1)])[0].distinct == 5
    with pytest.raises(InputError, match=r"audio 1 lasts 5\.10 s and the recognizer takes 5 s"):
        recognizer.recognize([babble(1.0, 1), babble(5.1, 1)])


def test_languages_are_heard(make_whisper: Callable[..., Path], audios: list[np.ndarray]) -> None:
    folder = make_whisper(kind="multilingual")
    texts = {
        (language, task): [
            h.text
            for recognition in WhisperRecognizer(folder, language=language, task=task).recognize(audios[:2])  # type: ignore[arg-type]
            for h in recognition.hypotheses
        ]
        for language, task in (
            (None, "transcribe"),
            ("English", "transcribe"),
            ("de", "transcribe"),
            ("de", "translate"),
        )
    }
    assert texts[None, "transcribe"] == texts["English", "transcribe"]
    assert len({tuple(found) for found in texts.values()}) == 3
    assert not any("<|" in text for found in texts.values() for text in found)
    with pytest.raises(InputError, match="knows no language 'fr'; choose among: de, en"):
        WhisperRecognizer(folder, language="fr")
    with pytest.raises(InputError, match="unknown language 'klingon'"):
        WhisperRecognizer(folder, language="klingon")


def test_settings_that_say_nothing_are_made_up_for_by_the_tokenizer(
    make_whisper: Callable[..., Path], audios: list[np.ndarray], tmp_path: Path
) -> None:
    folder = make_whisper(kind="multilingual")
    reference = WhisperRecognizer(folder, language="de").recognize(audios[:2])
    silent = edit(
        folder,
        tmp_path / "silent",
        "generation_config.json",
        lang_to_id=None,
        task_to_id=None,
        no_timestamps_token_id=None,
    )
    for one, other in zip(
        reference, WhisperRecognizer(silent, language="de").recognize(audios[:2]), strict=True
    ):
        same(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "de"}, "knows English only, not 'de'; leave the language out"),
        ({"task": "translate"}, "only transcribes, and knows no task 'translate'"),
    ],
)
@pytest.mark.parametrize("kind", ["scratch", "english"])
def test_english_only_checkpoints_say_so(
    make_whisper: Callable[..., Path], kind: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        WhisperRecognizer(make_whisper(kind=kind), **options)


def test_no_timestamp_and_no_id_without_text_is_written(
    make_whisper: Callable[..., Path], audios: list[np.ndarray], tmp_path: Path
) -> None:
    folder = edit(
        make_whisper(kind="multilingual"), tmp_path / "free", "generation_config.json", suppress_tokens=None
    )
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    model.resize_token_embeddings(400)  # as a vocabulary rounded up for the GPU: 40 ids that no text has
    with torch.no_grad():
        model.proj_out.weight[360:] = 5 * model.proj_out.weight[100:140]
    settings = GenerationConfig.from_pretrained(folder)
    model.generation_config = settings
    model.save_pretrained(folder)
    recognizer = WhisperRecognizer(folder)
    suppressed = set(recognizer._settings["suppress_tokens"])
    special = {i for t, i in AutoTokenizer.from_pretrained(folder).get_vocab().items() if t.startswith("<|")}
    assert suppressed == (special | set(range(360, 400))) - {recognizer._settings["eos_token_id"]}
    assert recognizer.recognize(audios[:2])[0].hypotheses[0].text


def test_half_precision_on_the_cpu_is_read_as_float32_unless_asked_otherwise(
    tiny_whisper: Path, audios: list[np.ndarray], tmp_path: Path
) -> None:
    half = tmp_path / "half"
    shutil.copytree(tiny_whisper, half)
    WhisperForConditionalGeneration.from_pretrained(half, dtype=torch.float16).save_pretrained(half)
    assert WhisperRecognizer(half)._model.dtype == torch.float32
    narrow = WhisperRecognizer(half, dtype="bfloat16")
    assert narrow._model.dtype == torch.bfloat16
    recognition = narrow.recognize(audios[:2])[0]
    assert recognition.embedding.dtype == np.float32
    reference = WhisperRecognizer(tiny_whisper).recognize(audios[:2])[0]
    np.testing.assert_allclose(recognition.embedding, reference.embedding, atol=0.1)


def test_broken_checkpoints_are_named(tiny_whisper: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a model of the kind 'bert'"):
        WhisperRecognizer(tiny_encoder)
    with pytest.raises(MissingModelError, match=r"no config\.json there"):
        WhisperRecognizer(tmp_path)
    bare = tmp_path / "bare"
    shutil.copytree(tiny_whisper, bare)
    (bare / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="not a complete Whisper checkpoint"):
        WhisperRecognizer(bare)
    for file, changes, message in (
        ("preprocessor_config.json", {"chunk_length": 3}, "makes 150 mel frames of 3 s"),
        ("preprocessor_config.json", {"feature_size": 80}, "makes 80 mel bins"),
        ("preprocessor_config.json", {"sampling_rate": 8_000}, "made for 8000 samples a second"),
    ):
        with pytest.raises(InputError, match=message):
            WhisperRecognizer(edit(tiny_whisper, tmp_path / next(iter(changes)), file, **changes))


def test_wrong_requests_are_named(tiny_whisper: Path) -> None:
    recognizer = load_recognizer("whisper", tiny_whisper)
    audio = babble(0.5, 1)
    requests: list[tuple[list[np.ndarray], dict[str, Any], str]] = [
        ([audio], {"n": 0}, "n is 0"),
        ([audio], {"n": 5, "beams": 4}, "4 beams cannot give 5"),
        ([audio, audio[:0]], {}, r"audio 1 has the shape \(0,\)"),
        ([audio[None]], {}, r"audio 0 has the shape \(1, 8000\)"),
        ([np.full(9, np.nan, np.float32)], {}, "audio 0 contains NaN"),
    ]
    for arguments, options, message in requests:
        with pytest.raises(InputError, match=message):
            recognizer.recognize(arguments, **options)
    with pytest.raises(
        InputError, match="recognizer 'whisper' has no option 'beam'; choose among: device, dtype"
    ):
        load_recognizer("whisper", tiny_whisper, beam=5)
    with pytest.raises(InputError, match="unknown recognizer 'wisper'; choose one of: whisper"):
        load_recognizer("wisper", tiny_whisper)
    with pytest.raises(InputError, match=r"option dtype = 'int8': Input should be 'float32', 'bfloat16'"):
        load_recognizer("whisper", tiny_whisper, dtype="int8")
    with pytest.raises(InputError, match=r"max_new_tokens is 32; .* takes 1 to 31"):
        load_recognizer("whisper", tiny_whisper, max_new_tokens=32)


# -- where there is more


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_gpu_agrees_with_the_cpu(tiny_whisper: Path, audios: list[np.ndarray], dtype: Any) -> None:
    on_cpu = WhisperRecognizer(tiny_whisper, device="cpu").recognize(audios)
    on_gpu = WhisperRecognizer(tiny_whisper, device="cuda", dtype=dtype).recognize(audios)
    for one, other in zip(on_cpu, on_gpu, strict=True):
        if dtype == "float32":
            same(one, other)
        else:
            assert other.distinct == 5
            np.testing.assert_allclose(one.embedding, other.embedding, atol=0.1)


@pytest.mark.network
def test_real_weights() -> None:
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no speech to hear")
    try:
        recognizer = load_recognizer("whisper", "openai/whisper-tiny.en", device="cpu")
    except MissingModelError as error:
        pytest.skip(str(error))
    lines = (Path(data) / "audio" / "noisy_librispeech.jsonl").read_text().splitlines()[:4]
    rows = [json.loads(line) for line in lines]
    heard = [read_audio(Path(data) / "audio" / row["audio"]) for row in rows]
    found = recognizer.recognize(heard, n=5, beams=5)
    assert recognizer.window_seconds == 30
    assert recognizer.embedding_size == 384
    best = [one.hypotheses[0].text for one in found]
    assert wer([row["text"] for row in rows], best, normalizer="number").rate < 0.5
    folder = resolve_model("openai/whisper-tiny.en")
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    for samples, one in zip(heard, found, strict=True):
        assert one.distinct >= 3
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
        ids = model.generate(features, num_beams=5)
        text = tokenizer.batch_decode(ids, skip_special_tokens=True)[0]
        assert one.hypotheses[0].text == " ".join(text.split())
