"""The distances of noise from clean speech, against figures by hand and by brute force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.experiments.conftest import heard

from robustger.correction import Corrector
from robustger.errors import InputError
from robustger.hypotheses import load_nbest, save_nbest


def test_two_sentences_by_hand(scripts: Any) -> None:
    moved = scripts.distances.Moved(np.array([[3.0], [5.0]]), ["a", "b"])
    assert moved.length() == pytest.approx(np.sqrt(15))
    assert scripts.distances.Moved(np.array([[3.0], [-5.0]]), ["a", "b"]).length() == 0
    # (1, 0) and (3, 0) of one sentence, (2, 2) of another: the pairs are 1*2 and 3*2.
    values = np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 2.0]])
    assert scripts.distances.Moved(values, ["a", "a", "b"]).length() == pytest.approx(2.0)
    with pytest.raises(ValueError, match="two sentences"):
        scripts.distances.Moved(values, ["a", "a", "a"])


def test_clean_speech_that_spreads_by_one(scripts: Any) -> None:
    assert scripts.distances.clean_spread(np.array([[0.0, 1.0], [2.0, 1.0]])) == pytest.approx(np.sqrt(2))


def test_noise_that_moves_nothing_has_no_distance(scripts: Any) -> None:
    """Random changes without a direction; the plain mean would be far from 0."""
    random_ = np.random.default_rng(0)
    values = random_.normal(size=(10, 4000))
    names = [str(n) for n in range(10)]
    assert np.linalg.norm(values.mean(0)) > 15
    assert scripts.distances.Moved(values, names).length() < 5
    shifted = scripts.distances.Moved(values + 1.0, names)
    assert shifted.length() == pytest.approx(np.sqrt(4000), rel=0.05)
    ends = shifted.interval()
    assert ends.low < shifted.length() < ends.high


def test_bootstrap_repeats_are_no_pairs(scripts: Any) -> None:
    """Sentences drawn twice: the value is that of brute force over the pairs of different sentences."""
    values = np.random.default_rng(1).normal(1.0, 1.0, size=(4, 3))
    times = np.array([2.0, 0.0, 1.0, 1.0])
    drawn = [0, 0, 2, 3]
    products = [
        values[a] @ values[b] for i, a in enumerate(drawn) for j, b in enumerate(drawn) if i != j and a != b
    ]
    pairs = sum(1 for i, a in enumerate(drawn) for j, b in enumerate(drawn) if a != b)
    found = scripts.distances.Moved(values, ["a", "b", "c", "d"]).length(times)
    assert found == pytest.approx(np.sqrt(sum(products) / pairs))


def test_the_command_measures_what_the_adapter_makes(
    scripts: Any, lab_folder: Path, tiny_corrector: Callable[..., Corrector], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    corrector = tiny_corrector(n_best=3)
    corrector.save_pretrained(tmp_path / "one")
    with torch.no_grad():  # ten times as far, as is everything clean; a bias moves nothing
        corrector.llm.adapter.get_parameter("tuner.weight").mul_(10)
        corrector.llm.adapter.get_parameter("tuner.bias").add_(7)
    corrector.save_pretrained(tmp_path / "two")
    lists = lab_folder / "lists"
    given = [
        str(lists / "test-clean.jsonl"),
        str(lists / "test.jsonl"),
        "--json",
        str(tmp_path / "d.json"),
    ]
    given += ["--checkpoints", f"a={tmp_path / 'one'}", f"b={tmp_path / 'one'}", f"b={tmp_path / 'two'}"]
    scripts.distances.main(given)
    columns = json.loads((tmp_path / "d.json").read_text())
    assert list(columns) == ["audio", "E_LN (a)", "a", "b"]
    assert list(columns["E_LN (a)"]) == ["brown", "rain", "all kinds", "mean of kinds"]
    for kind in columns["a"]:
        first, *others = columns["b"][kind]["single"]
        assert first == pytest.approx(columns["a"][kind]["distance"])
        assert others == pytest.approx([first], rel=1e-3)
    noisy = [n for n in load_nbest(lists / "test.jsonl") if n.meta["snr_db"] >= 0]
    clean = {n.id: n for n in load_nbest(lists / "test-clean.jsonl")}
    names = [n.id.split("_")[0] for n in noisy]
    moved = (
        corrector.noise_embedding([n.texts for n in noisy])
        - corrector.noise_embedding([clean[name].texts for name in names])
    ).flatten(1)
    products = (moved @ moved.T).numpy()
    different = np.array(names)[:, None] != np.array(names)[None]
    spread = corrector.noise_embedding([clean[name].texts for name in dict.fromkeys(names)]).flatten(1)
    expected = np.sqrt(products[different].mean() / spread.var(0).sum().item())
    assert columns["E_LN (a)"]["all kinds"]["distance"] == pytest.approx(expected, rel=1e-4)
    header, rule, *rows = capsys.readouterr().out.splitlines()
    assert {line.count("|") for line in (header, rule, *rows)} == {7}
    assert rows[0].startswith(f"| brown | {columns['E_LN (a)']['brown']['lists']} |")


def test_the_embedding_before_is_never_that_of_a_control(
    scripts: Any, lab_folder: Path, tiny_corrector: Callable[..., Corrector], tmp_path: Path
) -> None:
    for noise in ("zero", "random", "real"):
        tiny_corrector(n_best=3, noise=noise).save_pretrained(tmp_path / noise)
    given = [str(lab_folder / "lists" / f"{name}.jsonl") for name in ("test-clean", "test")]
    given += ["--json", str(tmp_path / "d.json"), "--checkpoints"]
    controls = [f"{noise}={tmp_path / noise}" for noise in ("zero", "random")]
    scripts.distances.main([*given, f"arm={tmp_path / 'real'}"])
    expected = json.loads((tmp_path / "d.json").read_text())["E_LN (arm)"]
    assert expected["all kinds"]["distance"] > 0
    scripts.distances.main([*given, *controls, f"arm={tmp_path / 'real'}"])
    columns = json.loads((tmp_path / "d.json").read_text())
    assert [name for name in columns if name.startswith("E_LN")] == ["E_LN (arm)"]
    assert columns["E_LN (arm)"] == expected
    with pytest.raises(InputError, match="all are controls"):
        scripts.distances.main([*given, *controls])


def test_lists_without_partners_are_refused(scripts: Any, lab_folder: Path, tmp_path: Path) -> None:
    save_nbest([heard("other", 1, "", None)], tmp_path / "clean.jsonl")
    given = [
        str(tmp_path / "clean.jsonl"),
        str(lab_folder / "lists" / "test.jsonl"),
        "--checkpoints",
        "a=b",
    ]
    with pytest.raises(InputError, match="no two sentences at 0, 5, 10 dB"):
        scripts.distances.main(given)
