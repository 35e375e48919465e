"""The CTC recognizer on tiny random models of several families: exact lists, exact scores, batch = single."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustger.errors import InputError, MissingExtraError
from robustger.recognition import load_recognizer

pytest.importorskip("flashlight.lib.text.decoder", reason="extra `ctc` is not installed")

from robustger.recognition.recognizers.ctc import (
    CTCRecognizer,
    collapse,
    prefix_beam_search,
    sequence_log_probs,
)

LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJ")


def brute_force(log_probs: torch.Tensor, blank: int) -> dict[tuple[int, ...], float]:
    """Every token sequence with its log-probability, summed over all V ** T alignments."""
    sums: dict[tuple[int, ...], float] = {}
    frames, tokens = log_probs.shape
    rows = log_probs.tolist()
    for alignment in itertools.product(range(tokens), repeat=frames):
        score = sum(row[token] for row, token in zip(rows, alignment, strict=True))
        sequence = tuple(token for token, _ in itertools.groupby(alignment) if token != blank)
        sums[sequence] = float(np.logaddexp(sums.get(sequence, -np.inf), score))
    return sums


@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 10**6), st.data())
@settings(max_examples=25)
def test_the_search_is_exact_where_the_beam_holds_everything(
    frames: int, tokens: int, seed: int, data: st.DataObject
) -> None:
    blank = data.draw(st.integers(0, tokens - 1))
    generator = torch.Generator().manual_seed(seed)
    log_probs = (2 * torch.randn(frames, tokens, generator=generator, dtype=torch.float64)).log_softmax(-1)
    expected = brute_force(log_probs, blank)

    alignments = prefix_beam_search(log_probs, blank, beams=2000)
    sequences = [tuple(collapse(alignment, blank)) for alignment in alignments]
    assert all(len(alignment) == frames for alignment in alignments)
    assert len(set(sequences)) == len(sequences)  # each once, however many alignments it has
    assert set(sequences) == set(expected)
    assert [expected[sequence] for sequence in sequences] == pytest.approx(
        sorted(expected.values(), reverse=True), abs=1e-4
    )
    scores = sequence_log_probs(log_probs, sequences, blank)
    assert scores == pytest.approx([expected[sequence] for sequence in sequences], abs=1e-9)
    assert np.logaddexp.reduce(scores) == pytest.approx(0.0, abs=1e-9)  # all there is


def test_a_narrow_beam_finds_what_a_best_path_misses() -> None:
    # The best path is blank, blank (0.36); "a" has three alignments that together weigh more (0.64).
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]], dtype=torch.float64).log()
    alignments = prefix_beam_search(log_probs, blank=0, beams=1)
    assert [collapse(alignment, 0) for alignment in alignments] == [[1], []]
    assert sequence_log_probs(log_probs, [[1], []], 0) == pytest.approx(np.log([0.64, 0.36]))


def _letters(folder: Path, **options: Any) -> None:
    """A character tokenizer as wav2vec2 models have it."""
    from transformers import Wav2Vec2CTCTokenizer

    vocabulary = folder / "vocabulary.json"
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.write_text(json.dumps({letter: index for index, letter in enumerate(LETTERS)}))
    Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(folder)
    vocabulary.unlink()


def _wav2vec2_like(folder: Path, family: str, **changes: Any) -> None:
    from transformers import AutoConfig, AutoModelForCTC, Wav2Vec2FeatureExtractor

    _letters(folder)
    group = changes.get("feat_extract_norm") == "group"
    Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16_000, do_normalize=True, return_attention_mask=not group
    ).save_pretrained(folder)
    config = AutoConfig.for_model(
        family,
        **{
            "vocab_size": len(LETTERS),
            "pad_token_id": 0,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "conv_dim": (8, 8, 8),
            "conv_kernel": (10, 8, 8),
            "conv_stride": (8, 8, 8),
            "num_conv_pos_embeddings": 16,
            "num_conv_pos_embedding_groups": 2,
            "feat_extract_norm": "layer",
            "do_stable_layer_norm": True,
            "num_feat_extract_layers": 3,
        }
        | changes,
    )
    AutoModelForCTC.from_config(config).save_pretrained(folder)


def _parakeet(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import ParakeetCTCConfig, ParakeetFeatureExtractor, ParakeetForCTC, ParakeetTokenizer

    # A subword vocabulary, in which different sequences read as the same text: "▁ab" is "▁a" and "b".
    pieces = {"<unk>": 0, "▁a": 1, "b": 2, "▁ab": 3, "▁b": 4, "c": 5, "▁": 6, "a": 7, "<pad>": 8}
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # type: ignore[assignment]
    tokenizer.decoder = decoders.Metaspace()  # type: ignore[assignment]
    ParakeetTokenizer(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>").save_pretrained(
        folder
    )
    ParakeetFeatureExtractor(feature_size=16).save_pretrained(folder)
    config = ParakeetCTCConfig(
        vocab_size=len(pieces),
        pad_token_id=8,
        encoder_config={
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "num_mel_bins": 16,
            "subsampling_conv_channels": 4,
            "conv_kernel_size": 5,
        },
    )
    ParakeetForCTC(config).save_pretrained(folder)


def _wav2vec2_bert(folder: Path) -> None:
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertForCTC

    _letters(folder)
    SeamlessM4TFeatureExtractor(feature_size=8, num_mel_bins=8, stride=2).save_pretrained(folder)
    config = Wav2Vec2BertConfig(
        vocab_size=len(LETTERS),
        pad_token_id=0,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        feature_projection_input_dim=16,
    )
    Wav2Vec2BertForCTC(config).save_pretrained(folder)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "wav2vec2": lambda folder: _wav2vec2_like(folder, "wav2vec2"),
    "wav2vec2 post-norm": lambda folder: _wav2vec2_like(folder, "wav2vec2", do_stable_layer_norm=False),
    "wav2vec2 group norm": lambda folder: _wav2vec2_like(
        folder, "wav2vec2", feat_extract_norm="group", do_stable_layer_norm=False
    ),
    "wav2vec2 adapter": lambda folder: _wav2vec2_like(
        folder, "wav2vec2", add_adapter=True, num_adapter_layers=1, output_hidden_size=16
    ),
    "hubert": lambda folder: _wav2vec2_like(folder, "hubert"),
    "wavlm": lambda folder: _wav2vec2_like(folder, "wavlm"),
    "data2vec-audio": lambda folder: _wav2vec2_like(folder, "data2vec-audio"),
    "unispeech": lambda folder: _wav2vec2_like(folder, "unispeech"),
    "unispeech-sat": lambda folder: _wav2vec2_like(folder, "unispeech-sat"),
    "wav2vec2-conformer": lambda folder: _wav2vec2_like(folder, "wav2vec2-conformer"),
    "sew": lambda folder: _wav2vec2_like(folder, "sew"),
    "wav2vec2-bert": _wav2vec2_bert,
    "parakeet_ctc": _parakeet,
}


@pytest.fixture(scope="session")
def ctc_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model of the family; sharpened, so that its answers differ from audio to audio."""
    root = tmp_path_factory.mktemp("ctc")

    def folder(name: str) -> Path:
        path = root / name.replace(" ", "-")
        if not path.exists():
            torch.manual_seed(3)
            BUILDERS[name](path)
            _sharpen(path)
        return path

    return folder


def _sharpen(folder: Path) -> None:
    from transformers import AutoModelForCTC

    model: Any = AutoModelForCTC.from_pretrained(folder)
    head = model.ctc_head if hasattr(model, "ctc_head") else model.lm_head
    with torch.no_grad():
        for weight in head.parameters():
            weight.normal_(std=1.0, generator=torch.Generator().manual_seed(4))
    model.save_pretrained(folder)


def noise(seconds: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    count = int(seconds * 16_000)
    swell = np.interp(np.arange(count), np.linspace(0, count, 9), generator.random(9))
    return (generator.standard_normal(count) * swell * 0.3).astype(np.float32)


AUDIOS = [noise(seconds, seed) for seed, seconds in enumerate((0.9, 0.31, 1.3, 0.9, 0.05))]


@pytest.mark.parametrize("family", BUILDERS)
def test_a_batch_is_what_its_audios_are_alone(ctc_folder: Callable[[str], Path], family: str) -> None:
    recognizer = load_recognizer("ctc", ctc_folder(family), device="cpu")
    batch = recognizer.recognize(AUDIOS, n=4)
    assert len(batch) == len(AUDIOS)
    assert len({result.hypotheses[0].score for result in batch}) == len(AUDIOS)
    for audio, together in zip(AUDIOS, batch, strict=True):
        (alone,) = recognizer.recognize([audio], n=4)
        assert [h.text for h in together.hypotheses] == [h.text for h in alone.hypotheses]
        assert [h.score for h in together.hypotheses] == pytest.approx(
            [h.score for h in alone.hypotheses], abs=1e-4
        )
        np.testing.assert_allclose(together.embedding, alone.embedding, atol=1e-5)
        assert together.distinct == alone.distinct
        assert together.embedding.shape == (recognizer.embedding_size,)
        assert together.embedding.dtype == np.float32
        assert together.padded_embedding is None


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2 group norm", "parakeet_ctc"])
def test_embeddings_without_a_search_are_those_of_one(ctc_folder: Callable[[str], Path], family: str) -> None:
    recognizer = CTCRecognizer(ctc_folder(family), device="cpu", window_seconds=2.0)
    assert not recognizer.pads
    for one, other in zip(recognizer.embed(AUDIOS), recognizer.recognize(AUDIOS, n=1), strict=True):
        np.testing.assert_array_equal(one.real, other.embedding)
        assert one.padded is None
    with pytest.raises(InputError, match=r"audio 0 lasts 2\.10 s"):
        recognizer.embed([noise(2.1, 1)])


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2 group norm", "parakeet_ctc"])
def test_the_list_is_what_transformers_says(ctc_folder: Callable[[str], Path], family: str) -> None:
    """Scores against transformers' own CTC loss; embedding and first guess against its own forward pass."""
    from transformers import AutoFeatureExtractor, AutoModelForCTC

    folder = ctc_folder(family)
    model: Any = AutoModelForCTC.from_pretrained(folder).eval()
    model.config.ctc_loss_reduction = "sum"
    inputs = AutoFeatureExtractor.from_pretrained(folder)(
        AUDIOS[0], sampling_rate=16_000, return_tensors="pt"
    )
    (result,) = CTCRecognizer(folder, device="cpu").recognize([AUDIOS[0]], n=5)
    assert result.distinct == 5
    scores = [hypothesis.score or 0.0 for hypothesis in result.hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert all(score < 0 for score in scores)
    with torch.no_grad():
        if family != "parakeet_ctc":  # where a text has one spelling, up to doubled spaces
            for hypothesis in result.hypotheses:
                labels = [LETTERS.index(letter) for letter in hypothesis.text.replace(" ", "|")]
                loss = model(**inputs, labels=torch.tensor([labels])).loss.item()
                assert -loss <= (hypothesis.score or 0.0) + 1e-3
            states = model.wav2vec2(**inputs).last_hidden_state
            np.testing.assert_allclose(result.embedding, states[0].mean(0).numpy(), atol=1e-5)
        else:
            encoded = model.encoder(**inputs, output_attention_mask=True)
            real = encoded.last_hidden_state[0][encoded.attention_mask[0].bool()]
            np.testing.assert_allclose(result.embedding, real.mean(0).numpy(), atol=1e-5)
        # No single alignment is more probable than the best text.
        frames = model(**inputs).logits.log_softmax(-1)[0]
        assert scores[0] >= frames.max(-1).values.sum().item()


def test_texts_that_read_alike_are_one_hypothesis(ctc_folder: Callable[[str], Path]) -> None:
    recognizer = CTCRecognizer(ctc_folder("parakeet_ctc"), device="cpu")
    log_probs = torch.full((3, 9), -30.0, dtype=torch.float64)
    log_probs[0, [1, 3]] = 0.0  # "▁a" or "▁ab"
    log_probs[1, [2, 8]] = 0.0  # "b" or blank
    log_probs[2, 8] = 0.0
    log_probs = log_probs.log_softmax(-1)
    hypotheses = recognizer._scored_texts(log_probs, prefix_beam_search(log_probs, 8, 50))
    assert [h.text for h in hypotheses[:3]] == ["ab", "a", "abb"]  # "ab" in two spellings
    assert np.exp([h.score or 0.0 for h in hypotheses[:3]]) == pytest.approx([0.5, 0.25, 0.25], abs=1e-6)


def test_a_short_list_stays_short(ctc_folder: Callable[[str], Path]) -> None:
    recognizer = CTCRecognizer(ctc_folder("wav2vec2"), device="cpu")
    (asked,) = recognizer.recognize([AUDIOS[4]], n=5000, beams=5000)
    assert asked.distinct == len(asked.hypotheses) == len({h.text for h in asked.hypotheses}) < 5000
    (wide,) = recognizer.recognize([AUDIOS[4]], n=5000, beams=6000)
    best = [h.text for h in wide.hypotheses[:20]]
    assert [h.text for h in asked.hypotheses[:20]] == best


def test_bad_requests_are_refused(ctc_folder: Callable[[str], Path]) -> None:
    recognizer = CTCRecognizer(ctc_folder("wav2vec2"), device="cpu", window_seconds=1.0)
    assert recognizer.window_seconds == 1.0
    assert recognizer.recognize([]) == []
    with pytest.raises(InputError, match=r"lasts 1\.30 s and the recognizer takes 1 s"):
        recognizer.recognize([AUDIOS[2]])
    with pytest.raises(InputError, match="no option 'beam'"):
        load_recognizer("ctc", ctc_folder("wav2vec2"), beam=3)
    with pytest.raises(InputError, match="dtype"):
        CTCRecognizer(ctc_folder("wav2vec2"), dtype="float23")  # type: ignore[arg-type]


def test_what_is_no_ctc_model_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded as a CTC model"):
        CTCRecognizer(tiny_base)
    _wav2vec2_like(tmp_path / "eight", "wav2vec2")
    settings_file = tmp_path / "eight" / "preprocessor_config.json"
    settings_file.write_text(json.dumps({**json.loads(settings_file.read_text()), "sampling_rate": 8000}))
    with pytest.raises(InputError, match="takes audio of 8000 Hz"):
        CTCRecognizer(tmp_path / "eight")


def test_the_missing_extra_is_named(
    ctc_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "flashlight.lib.text.decoder", None)
    with pytest.raises(MissingExtraError, match=r"robustger\[ctc\]"):
        CTCRecognizer(ctc_folder("wav2vec2"))
