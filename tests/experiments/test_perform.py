"""`robustger experiment` on tiny models: from the command line to the files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Result
from tests.cli.conftest import robustger as robustger  # a fixture

from robustger.experiments import record
from robustger.experiments.experiment import ARMS
from robustger.experiments.known_experiments import PLACES, get_experiment
from robustger.experiments.record import spent
from robustger.experiments.runs.trainings import Costs
from robustger.experiments.systems.correctors import checkpoint_digest
from robustger.experiments.tables.table1 import TRAINED_ARMS
from robustger.hypotheses import NBest, save_nbest

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def small(lab_folder: Path, recipe_file: Path) -> list[str]:
    """Options of a small laboratory on tiny models."""
    options = ["--data", lab_folder, "--recipe", recipe_file, "--base", "none", "--seeds", "0", "--jobs", "1"]
    return [str(option) for option in (*options, "--lists", "12", "--sentences", "2")]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_experiment_has_its_name_and_says_what_it_is(robustger: Command) -> None:
    result = robustger("experiment", "--list")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == list(PLACES)
    for name in PLACES:
        assert get_experiment(name).name == name
        assert f"{name:13}{get_experiment(name).about}" in result.out


def files_of(out: Path, *names: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for name in names for path in (out / name).iterdir()}


@pytest.mark.usefixtures("without_processes")
def test_tables_are_trained_written_and_found_again(
    robustger: Command, small: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = [*small, "-o", str(out), "--quick", "--set", "optimization.epochs=1"]
    command = ["experiment", "table1", "table2", "table5", *options]
    planned = robustger(*command, "--plan")
    assert planned.code == 0
    lines = planned.out.splitlines()
    assert [line.split("+")[0] for line in lines] == [
        "ger",
        "ger-matched",
        "audio-denoising",
        "robustger",
        "mine-paper",
    ]
    assert all(line.endswith(": to do") for line in lines)
    result = robustger(*command)
    assert result.code == 0, result.err
    assert result.out.split() == [str(out / name / f"{name}.md") for name in ("table1", "table2", "table5")]
    assert "5 of 5 runs to do" in result.err
    results = read(out / "table1" / "results.json")
    systems = results["figures"]["normalizers"]["number"]
    trained = [ARMS[arm].title for arm in TRAINED_ARMS]
    assert list(systems) == [
        "1-best",
        "format-only",
        "LM_rank, n-gram",
        "MBR",
        "ROVER",
        *trained,
        "o_nb",
        "o_cp",
    ]
    for name, one in systems.items():
        low, high = one["wer"]["all"]["interval"]
        assert systems["o_cp"]["wer"]["all"]["value"] <= one["wer"]["all"]["value"], name
        assert low <= one["wer"]["all"]["value"] <= high
    settings = results["settings"]
    assert settings["seeds"] == [0]
    assert settings["changes"].endswith("optimization.epochs=1")
    assert all(len(digest) == 64 for digest in settings["data"]["sha256"].values())
    assert [one["done"] for one in settings["runs"].values()] == [True] * 5
    assert results["cost"]["cpu_seconds"] > 0
    page = (out / "table1" / "table1.md").read_text(encoding="utf-8")
    assert "**A quick look" in page
    assert "The paper's Table 1" in page
    for name in ("table1.png", "table1.svg"):
        assert (out / "table1" / name).stat().st_size > 1000
    assert "![table1.png](table1.png)" in page
    by_noise = (out / "table2" / "table2.md").read_text(encoding="utf-8")
    assert re.search(r"^\| (brown|rain) \| 0 \|", by_noise, re.MULTILINE)
    assert re.search(r"^\| all \| 10 \|", by_noise, re.MULTILINE)
    before = files_of(out, "table1", "table2", "table5")
    again = robustger(*command)
    assert (again.code, again.out) == (0, result.out)
    assert "0 of 5 runs to do" in again.err
    assert before == files_of(out, "table1", "table2", "table5")
    assert all(line.endswith(": done") for line in robustger(*command, "--plan").out.splitlines())
    changed = robustger("experiment", "table1", *options, "--set", "optimization.weight_decay=0.5", "--plan")
    assert all(line.endswith(": to do") for line in changed.out.splitlines())


@pytest.mark.slow  # ten processes
def test_variants_are_compared(robustger: Command, small: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = robustger("experiment", "table3", "controls", *small, "-o", out)
    assert result.code == 0, result.err
    assert "10 of 10 runs to do" in result.err
    results = read(out / "controls" / "results.json")
    systems = results["figures"]["normalizers"]["number"]
    shown = [
        "1-best",
        "format-only",
        "untrained",
        "GER",
        "GER, parameters matched",
        "RobustGER, no distillation",
    ]
    assert list(systems) == [*shown, "zero noise", "shuffled noise", "random noise", "o_nb", "o_cp"]
    assert results["figures"]["differences"]["RobustGER, no distillation"]["zero noise"]["loss"]["interval"]
    assert [one["done"] for one in results["settings"]["runs"].values()] == [True] * 7
    page = (out / "table3" / "table3.md").read_text(encoding="utf-8")
    assert "| system | WER | single seeds | minus GER | minus both levels |" in page
    assert "The paper's Table 3" in page
    for name in ("table3.png", "table3.svg", "table3-losses.png", "table3-differences.svg"):
        assert (out / "table3" / name).stat().st_size > 1000
        assert name.endswith("svg") or f"]({name})" in page


def test_what_is_not_trained_is_named_and_the_rest_is_made(
    robustger: Command, small: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = robustger("experiment", "table1", *small, "-o", str(out), "--cached", "--quick")
    assert result.code == 0, result.err
    page = (out / "table1" / "table1.md").read_text(encoding="utf-8")
    assert "**A quick look" in page
    assert "RobustGER: no results of seed 0: not trained." in page
    assert "zero-shot: left out of a quick look." in page
    for system in ("1-best", "format-only", "LM_rank, n-gram", "MBR", "ROVER", "o_nb", "o_cp"):
        assert f"| {system} |" in page
    assert not list((out / "runs-quick").glob("ger*"))


def test_lists_without_any_training_data_have_baselines_and_oracles(
    robustger: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for name in ("chime4", "rats"):
        lists = [
            NBest.from_texts(
                f"{name}-{n}", ["turn of the light", "turn off the light"], reference="turn off the light"
            )
            for n in range(3)
        ]
        save_nbest(lists, tmp_path / f"{name}.jsonl")
    out = tmp_path / "out"
    options = ("--data", tmp_path, "-o", out, "--quick", "--checkpoint", tiny_checkpoint)
    result = robustger("experiment", "table1", *options)
    assert result.code == 0, result.err
    figures = read(out / "table1" / "results.json")["figures"]["normalizers"]
    assert list(figures) == ["number", "raw"]
    assert list(figures["number"]["1-best"]["wer"]) == ["all", "chime4", "rats"]
    assert figures["number"]["1-best"]["wer"]["rats"]["value"] == 0.25
    assert figures["number"]["o_nb"]["wer"]["all"]["value"] == 0
    assert figures["number"].keys() >= {str(tiny_checkpoint), f"{tiny_checkpoint}, no guard"}
    settings = read(out / "table1" / "results.json")["settings"]
    assert settings["checkpoints"] == {str(tiny_checkpoint): checkpoint_digest(str(tiny_checkpoint))}
    page = (out / "table1" / "table1.md").read_text(encoding="utf-8")
    assert "GER: no results of seed 0: the data has no lists to train on." in page
    assert "LM_rank, n-gram: left out, the data has no lists to train on." in page


def test_one_experiment_that_cannot_be_done_leaves_the_others(robustger: Command, tmp_path: Path) -> None:
    save_nbest(
        [NBest.from_texts(f"u{n}", ["a b", "a"], reference="a b") for n in range(3)], tmp_path / "test.jsonl"
    )
    options = ("--data", tmp_path, "-o", tmp_path / "out", "--quick")
    both = robustger("experiment", "embedding", "table2", *options)
    assert both.code == 1
    assert both.out.strip() == str(tmp_path / "out" / "table2" / "table2.md")
    assert "embedding: " in both.err
    alone = robustger("experiment", "embedding", *options)
    assert alone.code == 2
    assert alone.err.strip().splitlines()[-1].startswith("robustger: error: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabel1"], "no experiment 'tabel1'; did you mean 'table1'?"),
        (["table1"], "robustger experiment NAME --data DATA -o FOLDER; --list shows the names"),
        (["table1", "--data", "nowhere", "-o", "out"], "--data nowhere: does not exist"),
        (["table1", "--data", "{lab}", "-o", "out", "--seeds", "a"], "--seeds a: write whole numbers"),
        (
            ["table1", "--data", "{lab}", "-o", "out", "--scale", "phone"],
            "--scale phone: choose one of: lab, paper",
        ),
        (
            ["controls", "--data", "{lab}", "-o", "out", "--set", "lists=x", "--base", "none"],
            "--set lists=x: a number",
        ),
        (
            ["controls", "--data", "{lab}", "-o", "out", "--set", "optimisation.epochs=2", "--base", "none"],
            "unknown key 'optimisation'",
        ),
        (["table1", "--data", "{lab}", "-o", "file"], "file: cannot be made a folder: File exists"),
        (
            ["table1", "--data", "{lab}", "-o", "out", "--runs", "file/runs"],
            "file/runs: cannot be made a folder",
        ),
        (["table1", "--data", "{lab}", "-o", "out", "--checkpoint", "nosuch"], "nosuch"),
        (
            ["llms", "--data", "{lab}", "-o", "out", "--llm", "nosuch"],
            "the model nosuch (robustger models fetch nosuch)",
        ),
        (
            ["table1", "--data", "{lab}", "-o", "out", "--without", "fewshot"],
            "--without fewshot: no such baseline",
        ),
        (["table2", "--data", "lists", "-o", "out"], "list 'w': meta.snr_db: 'five' is not a number of dB"),
    ],
)
def test_what_is_wrong_is_one_line(
    robustger: Command, lab_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str],
    message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    wrong = NBest.from_texts("w", ["a"], reference="a", meta={"noise": "car", "snr_db": "five"})
    (tmp_path / "lists").mkdir()
    save_nbest([wrong], tmp_path / "lists" / "wrong.jsonl")
    if arguments == ["tabel1"]:
        arguments = [*arguments, "--data", "{lab}", "-o", "out"]
    result = robustger("experiment", *(argument.format(lab=lab_folder) for argument in arguments))
    assert result.code == 2
    (line,) = [line for line in result.err.splitlines() if "error" in line]
    assert message in line
    assert not list(tmp_path.rglob("best"))  # nothing was trained before it was noticed


def test_the_paper_s_scale_says_what_it_needs(
    robustger: Command, lab_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    options = ("experiment", "table1", "--scale", "paper", "--data", lab_folder, "-o", tmp_path / "out")
    planned = robustger(*options, "--plan")
    assert planned.code == 0
    assert planned.out.splitlines()[0] == "ger, seed 0: to do"
    assert "needed: a CUDA device" in planned.out
    assert "robustger models fetch meta-llama/Llama-2-7b-hf" in planned.out
    refused = robustger(*options)
    assert refused.code == 2
    assert "--scale paper: cannot be trained here, needed: a CUDA device" in refused.err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("gpu_seconds", "said"),
    [
        (0.0, "1.5 hours of processor time and no GPU"),
        (120.0, "1.5 hours of processor time and 2.0 minutes of a GPU"),
    ],
)
def test_what_trainings_took_names_processors_and_gpus(gpu_seconds: float, said: str) -> None:
    assert spent(Costs(1, 5400.0, gpu_seconds, 0)) == said


def test_what_is_left_out_of_the_data_stands_on_the_page(robustger: Command, tmp_path: Path) -> None:
    references = ("a b", "", "a b")
    lists = [NBest.from_texts(f"u{n}", ["a b", "a"], reference=one) for n, one in enumerate(references)]
    save_nbest(lists, tmp_path / "metro.jsonl")
    result = robustger("experiment", "table1", "--data", tmp_path, "-o", tmp_path / "out", "--quick")
    assert result.code == 0, result.err
    line = (
        "test set metro: 1 of 3 lists have no reference or an empty one, and are left out; the first is 'u1'."
    )
    assert line in result.err
    assert line in (tmp_path / "out" / "table1" / "table1.md").read_text(encoding="utf-8")
    assert read(tmp_path / "out" / "table1" / "results.json")["settings"]["data"]["notes"] == [line]


def test_a_commit_is_the_program_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is installed below somebody else's checkout has no commit."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / ".gitignore").write_text("site\n", encoding="utf-8")
    for arguments in (["init", "-q"], ["add", ".gitignore"], ["commit", "-qm", "theirs"]):
        subprocess.run([*git, *arguments], check=True)
    installed = tmp_path / "site" / "record.py"
    installed.parent.mkdir()
    installed.touch()
    monkeypatch.setattr(record, "__file__", str(installed))
    assert record.commit() is None
    (tmp_path / ".gitignore").write_text("", encoding="utf-8")
    for arguments in (["add", "."], ["commit", "-qm", "their copy"]):
        subprocess.run([*git, *arguments], check=True)
    assert re.fullmatch(r"[0-9a-f]{12}", record.commit() or "")


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; import robustger.cli.experiment; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
