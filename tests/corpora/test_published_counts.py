"""The counts of the paper's Table 6: those of the splits, of the released lists, and of what the recipes make."""

from __future__ import annotations

import pytest

from robustger.corpora import CORPORA, SplitCheck
from robustger.corpora.noizeus import NOIZEUS_NOISES
from robustger.mixing import RECIPES, MixSettings

# RATS is not among them: how its utterances were cut is not published.
TABLE_6 = [
    ("chime4", "train", 9_600),
    ("chime4", "test-real", 1_320),
    ("chime4", "test-simu", 1_320),
    ("chime4", "dev-real", 1_640),
    ("chime4", "dev-simu", 1_640),
    ("vb-demand", "train", 23_075),
    ("vb-demand", "test-clean", 824),
    ("noizeus", "test-5dB", 8 * 30),
    ("librispeech", "train-clean-100", 28_539),
    *(("ls-freesound", f"test-{snr}dB", 118 * 6) for snr in (0, 5, 10, 15, 20)),
    ("robusthp", "train_chime4", 9_600),
    ("robusthp", "train_vb", 23_075),
    ("robusthp", "train_noizeus", 23_807),
    ("robusthp", "train_lf", 28_539),
    ("robusthp", "test_chime4-test-real", 1_320),
    ("robusthp", "test_chime4-dev-simu", 1_640),
    ("robusthp", "test_vb", 824 * 3),
    ("robusthp", "test_noizeus", 4 * 8 * 30),
    ("robusthp", "test_lf", 5 * 118 * 6),
]


def expected(corpus: str, name: str) -> int:
    (split,) = CORPORA.get(corpus).choose([name])
    assert split.expected is not None
    return split.expected


@pytest.mark.parametrize(("corpus", "name", "count"), TABLE_6)
def test_a_split_expects_what_was_published(corpus: str, name: str, count: int) -> None:
    assert expected(corpus, name) == count
    assert SplitCheck(name, count, found=count).complete
    assert not SplitCheck(name, count, found=count - 1).complete


def mixtures(recipe: str, noises: int) -> int:
    """How many a recipe makes of an utterance."""
    settings = MixSettings(**RECIPES.get(recipe))
    return (len(settings.snrs_db) if settings.every_snr else 1) * (noises if settings.every_noise else 1)


def test_recipes_make_as_many_mixtures_as_there_are_released_lists() -> None:
    for clean, recipe, noises, lists in (
        (("librispeech", "train-clean-100"), "librispeech-freesound-train", 6, "train_lf"),
        (("vb-demand", "train-clean"), "voicebank-demand-train", 10, "train_vb"),
        (("vb-demand", "test-clean"), "voicebank-demand-test", 3, "test_vb"),
        (("ls-freesound", "clean"), "librispeech-freesound-test", 6, "test_lf"),
        (("noizeus", "clean"), "noizeus-test", len(NOIZEUS_NOISES), "test_noizeus"),
    ):
        assert expected(*clean) * mixtures(recipe, noises) == expected("robusthp", lists)
    # of LibriSpeech and VoiceBank each utterance of up to 12 words once; how many those are depends on the corpora
    assert mixtures("noizeus-train", 8) == 1
