"""Short lists and wide beams: against brute force, and with a real recognizer of random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.experiments.conftest import context_of
from tests.experiments.readable import check_readable
from tests.tiny_whisper import build_tiny_whisper

from robustger.errors import InputError
from robustger.experiments.data import ExperimentData, load_data
from robustger.experiments.experiment import Context
from robustger.experiments.systems.beam_sweep import chosen_lists, recognizer_of
from robustger.experiments.tables.nbest_size import NBEST_SIZE, cut_rates, errors_left, prompt_words
from robustger.hypotheses import NBest, save_nbest
from robustger.recognition import load_recognizer

TEXT = st.lists(st.sampled_from("abcd"), max_size=5).map(" ".join)


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=3, max_size=3)), min_size=1, max_size=4))
def test_a_longer_list_never_loses(given_lists: list[tuple[str, list[str]]]) -> None:
    lists = [
        NBest.from_texts(str(k), texts, reference=f"x {said}") for k, (said, texts) in enumerate(given_lists)
    ]
    by_size = [cut_rates(lists, n) for n in (1, 2, 3)]
    for name in ("o_nb", "o_cp"):
        values = [one[name].value for one in by_size]
        assert values == sorted(values, reverse=True)
    assert by_size[0]["o_nb"].value == by_size[0]["best"].value == by_size[2]["best"].value
    left = errors_left(lists, 2)["o_nb"].value
    assert left == pytest.approx(by_size[1]["o_nb"].value / by_size[1]["best"].value)


def test_the_prompt_grows_with_the_list() -> None:
    lists = [NBest.from_texts("a", ["one two", "one", "three four five"])]
    # "Hypotheses:" and "Transcription:" beside the texts
    assert [prompt_words(lists, n).value for n in (1, 2, 3)] == [4, 5, 8]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with lists of six recordings, and the recognizer that made them."""
    folder = tmp_path_factory.mktemp("recorded")
    build_tiny_whisper(folder / "recognizer")
    random = np.random.default_rng(0)
    lists = []
    for number in range(3):
        for snr in (0, 5):
            name = f"s{number}_rain-1_{snr}dB"
            soundfile.write(folder / f"{name}.flac", 0.1 * random.normal(size=16_000), 16_000)
            meta = {"noise": "rain-1", "snr_db": snr, "mix": {"source_id": f"s{number}"}}
            texts = ["what is the fare", "what is fare", "what the fare"]
            lists.append(
                NBest.from_texts(name, texts, reference="what is the fare", audio=f"{name}.flac", meta=meta)
            )
    save_nbest(lists, folder / "noisy.jsonl")
    settings_ = {"recognizer": "whisper", "model": str(folder / "recognizer"), "options": {"device": "cpu"}}
    (folder / "noisy.run.json").write_text(json.dumps({"settings": settings_}), encoding="utf-8")
    return folder


def context(folder: Path, output: Path) -> Context:
    output.mkdir(exist_ok=True)
    return context_of(folder, output, quick=True)


def test_beams_of_several_widths(recorded: Path, tmp_path: Path) -> None:
    outcome = NBEST_SIZE.run(context(recorded, tmp_path))
    (note,) = outcome.notes
    assert "with 5 beams" in note
    assert [one["n"] for one in outcome.results["sizes"]] == [1, 2, 3]
    found = outcome.results["beams"]
    assert [one["beams"] for one in found] == [1, 2, 5]
    assert all(one["cpu_seconds_a_second"] > 0 for one in found)
    assert outcome.results["recordings"] == 6
    recognizer = load_recognizer("whisper", recorded / "recognizer", device="cpu")
    samples, _ = soundfile.read(recorded / "s0_rain-1_0dB.flac", dtype="float32")
    kept = json.loads(next(tmp_path.glob("beams-5-*.json")).read_text())["answer"]
    expected = recognizer.recognize([samples], n=5, beams=5)[0].hypotheses
    ids = [nbest.id for nbest in chosen_lists(load_data(recorded), quick=True)]
    assert kept["texts"][ids.index("s0_rain-1_0dB")][0] == expected[0].text
    assert set(outcome.figures) == {"", "-beams"}
    assert check_readable(outcome.figures[""]()) >= {
        "o_nb",
        "o_cp",
        "o_nb, 5 beams",
        "N, hypotheses of a list",
    }
    assert check_readable(outcome.figures["-beams"]()) >= {"1-best", "o_nb", "o_cp", "beams"}


def test_what_was_recognized_is_not_recognized_again(recorded: Path, tmp_path: Path) -> None:
    said: list[str] = []
    first = context(recorded, tmp_path)
    once = NBEST_SIZE.run(first)
    again = context_of(first.data, tmp_path, quick=True, say=said.append)
    assert NBEST_SIZE.run(again).results["beams"] == once.results["beams"]
    assert said == []
    # Nor are the recordings looked for: the same lists were heard in the same recordings.
    for name in ("noisy.jsonl", "noisy.run.json"):
        shutil.copy(recorded / name, tmp_path / name)
    lists_alone = context_of(tmp_path, tmp_path, quick=True, say=said.append)
    assert NBEST_SIZE.run(lists_alone).results["beams"] == once.results["beams"]
    assert said == []


def test_without_recordings_the_rest_is_measured(recorded: Path, tmp_path: Path) -> None:
    for name in ("noisy.jsonl", "noisy.run.json"):
        shutil.copy(recorded / name, tmp_path / name)
    outcome = NBEST_SIZE.run(context(tmp_path, tmp_path / "out"))
    assert len(outcome.tables) == 1
    assert "its recording s" in outcome.notes[0]
    assert "does not exist" in outcome.notes[0]
    assert check_readable(outcome.figures[""]()) >= {"o_nb", "o_cp"}
    (tmp_path / "noisy.run.json").unlink()
    (note,) = NBEST_SIZE.run(context(tmp_path, tmp_path / "out")).notes
    assert "noisy.run.json does not say which recognizer made the lists" in note


def test_lists_in_several_folders_have_no_place_for_recordings(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "lists.jsonl")
        save_nbest([NBest.from_texts(name, ["x"], reference="x", audio="x.flac")], paths[-1])
    data = ExperimentData(tmp_path, (), (), {"a": (paths[0],), "b": (paths[1],)})
    with pytest.raises(InputError, match="several folders"):
        chosen_lists(data, quick=True)
    with pytest.raises(InputError, match="does not say which recognizer"):
        recognizer_of(data)


def test_lists_of_one_hypothesis_have_no_size(tmp_path: Path) -> None:
    save_nbest([NBest.from_texts(str(n), ["a b"], reference="a") for n in range(3)], tmp_path / "one.jsonl")
    outcome = NBEST_SIZE.run(context(tmp_path, tmp_path / "out"))
    assert len(outcome.tables[0].rows) == 1
    assert outcome.figures == {}
