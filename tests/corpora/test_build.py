"""Properties of every corpus: filters, probing, names, and files that appear whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from robustger.audio import write_audio
from robustger.corpora import CORPORA, corpus_manifest
from robustger.errors import InputError
from robustger.manifest import load_manifest
from robustger.mixing import RECIPES, MixSettings, find_noises, mix_manifest


@pytest.fixture
def librispeech(fill: Callable[..., Path], note: Callable[..., None]) -> Path:
    folder = fill(*(f"dev-clean/84/121123/84-121123-000{number}.flac" for number in range(4)))
    lines = (f"84-121123-000{number} {'WORD ' * (10 + number)}" for number in range(3))
    note(folder / "dev-clean/84/121123/84-121123.trans.txt", *lines)
    return folder


@pytest.mark.parametrize("name", CORPORA.names())
def test_splits_have_names_of_their_own_and_recipes_that_exist(name: str) -> None:
    splits = CORPORA.get(name).splits
    assert len({split.name for split in splits}) == len(splits)
    assert any(split.default for split in splits)
    for split in splits:
        for recipe in split.recipes:
            MixSettings(**RECIPES.get(recipe))


def test_short_utterances_are_kept_after_the_count(make, librispeech: Path) -> None:
    made = make("librispeech", librispeech, "dev-clean", max_words=11)
    assert made.ids() == ["84-121123-0000", "84-121123-0001"]
    assert (made.check.rows, made.check.filtered, made.split("dev-clean").found) == (2, 2, 4)
    with pytest.raises(
        InputError, match="no row passes the filter dev-clean of LibriSpeech; nothing is written"
    ):
        make("librispeech", librispeech, "dev-clean", max_words=3)


def test_without_a_target_it_only_counts(librispeech: Path) -> None:
    before = sorted(librispeech.rglob("*"))
    check = corpus_manifest("librispeech", librispeech, splits=["dev-clean"])
    assert (check.rows, check.splits[0].found) == (4, 4)
    assert sorted(librispeech.rglob("*")) == before


def test_probing_finds_what_is_no_audio_and_partners_of_another_length(make, fill, note) -> None:
    folder = fill(
        "sp01_car_sn0.wav", "sp02_car_sn0.wav", "sp03_car_sn0.wav", "clean/sp01.wav", "clean/sp02.wav"
    )
    note(folder / "transcripts.txt", *(f"sp0{number} words" for number in (1, 2, 3)))
    write_audio(folder / "clean" / "sp01.wav", np.zeros(32) + 0.1, 16_000)
    (folder / "sp03_car_sn0.wav").write_bytes(b"no audio at all")
    (folder / "clean" / "sp02.wav").write_bytes(b"no audio either")
    assert len(make("noizeus", folder, "test-0dB").rows) == 3
    made = make("noizeus", folder, "test-0dB", probe=True)
    assert made.ids() == ["sp01_car_sn0", "sp02_car_sn0"]
    assert [row.clean_audio for row in made.rows] == [None, None]
    assert (
        "is 0.002 s long and sp01_car_sn0.wav 0.001 s; 'sp01_car_sn0' goes without a clean partner"
        in made.problems[0]
    )
    assert "clean/sp02.wav: not audio" in made.problems[1]
    assert "sp03_car_sn0.wav: not audio" in made.problems[2]


def test_what_is_asked_for_must_exist(make, librispeech: Path) -> None:
    with pytest.raises(
        InputError,
        match="unknown corpus 'timit'; choose one of: chime4, vb-demand, noizeus, librispeech, ls-",
    ):
        make("timit", librispeech)
    with pytest.raises(InputError, match="LibriSpeech has no split 'dev'; choose among: train-clean-100, "):
        make("librispeech", librispeech, "dev")


def test_an_older_manifest_stays_when_the_folder_is_refused(make, librispeech: Path, tmp_path: Path) -> None:
    make("librispeech", librispeech, "dev-clean")
    before = (tmp_path / "manifest.jsonl").read_bytes()
    for name in CORPORA.names():
        if name != "librispeech":
            with pytest.raises(InputError, match=r"is not|holds nothing"):
                make(name, librispeech)
    assert (tmp_path / "manifest.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_manifest_is_mixed_by_its_recipe(fill, note, make, tmp_path: Path) -> None:
    """The paper's VoiceBank test set: clean rows, three noises, 0 dB."""
    generator = np.random.default_rng(0)
    folder = fill("clean_testset_wav/p232_001.wav")
    write_audio(folder / "clean_testset_wav" / "p232_001.wav", generator.uniform(-0.2, 0.2, 16_000))
    note(folder / "testset_txt" / "p232_001.txt", "Please call Stella.")
    for kind in ("baby-cry", "helicopter", "crowd-party"):
        (tmp_path / "noise" / kind).mkdir(parents=True)
        write_audio(tmp_path / "noise" / kind / "1.wav", generator.uniform(-0.1, 0.1, 16_000))
    make("vb-demand", folder, "test-clean")
    (split,) = CORPORA.get("vb-demand").choose(["test-clean"])
    settings = MixSettings(**RECIPES.get(split.recipes[0]))
    mix_manifest(tmp_path / "manifest.jsonl", find_noises([tmp_path / "noise"]), tmp_path / "mixed", settings)
    rows = load_manifest(tmp_path / "mixed" / "manifest.jsonl")
    assert {(row.noise, row.snr_db) for row in rows} == {
        (kind, 0.0) for kind in ("baby-cry", "helicopter", "crowd-party")
    }
    assert {row.text for row in rows} == {"Please call Stella."}
    assert {row.meta["speaker"] for row in rows} == {"p232"}


def test_the_example_in_the_documentation(
    make, fill, note, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CORPORA, "_choices", dict(CORPORA._choices))
    page = Path(__file__).parents[2] / "docs" / "how-to" / "corpora.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(page), "exec"), {})
    folder = fill("wav/a.wav", "wav/b.wav")
    note(folder / "text", "a hello", "c not recorded")
    made = make("mine", folder)
    assert made.ids() == ["a", "b"]
    check = made.split("all")
    assert (check.expected, check.missing, check.without_text) == (1_000, ["c"], ["b"])
    with pytest.raises(InputError, match="is not My corpus: it holds no wav"):
        make("mine", tmp_path)
