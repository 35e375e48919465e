"""The laboratory's grid on tiny models: its lists, its base and its runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.experiments.conftest import heard, say_how

from robustger.correction import Corrector
from robustger.correction.checkpoint import trained_parameters
from robustger.correction.config import CorrectorConfig, GuardConfig
from robustger.errors import InputError
from robustger.hypotheses import load_nbest, save_nbest
from robustger.recognition.embeddings import AudioEmbeddings


@pytest.fixture(scope="module")
def grid_yaml(tmp_path_factory: pytest.TempPathFactory, corrector_section: dict[str, Any]) -> Path:
    """What the arms of a tiny grid have in common."""
    content = {
        "output": "-",
        "dtype": "float32",
        "corrector": corrector_section,
        "data": {"train": ["-"]},
        "optimization": {"epochs": 2, "batch_size": 4, "adapter_lr": 0.05},
        "evaluation": {"every_steps": 1},
    }
    path = tmp_path_factory.mktemp("config") / "grid.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture
def command(lab_folder: Path, grid_yaml: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """The arguments of a small grid in a folder of the test's own."""

    def make(*more: str) -> list[str]:
        given = [str(lab_folder), "-o", str(tmp_path / "grid"), "--config", str(grid_yaml), "--base", "none"]
        return [*given, "--lists", "12", "--sentences", "2", "--jobs", "1", *more]

    return make


def planned(scripts: Any, arguments: Sequence[str]) -> list[Any]:
    parsed = scripts.grid.parse(arguments)
    changes = [scripts.grid_plan.Change.parse(text) for text in parsed.set]
    counts = sorted({parsed.lists, *(change.lists for change in changes if change.lists)})
    lists = scripts.grid_lists.write_lists(parsed.lab, parsed.output / "lists", counts, parsed.sentences)
    base = scripts.grid_plan.plan_base(parsed, lists)
    assert base is None
    return scripts.grid_plan.on_base(scripts.grid_plan.plan_arms(parsed, lists, base), parsed, base)


class TestLists:
    def test_no_sentence_is_in_both_halves_and_no_list_twice(
        self, scripts: Any, lab_folder: Path, tmp_path: Path
    ) -> None:
        files = scripts.grid_lists.write_lists(lab_folder, tmp_path, [4, 12], 2)
        base, fewer, more = (load_nbest(path) for path in (files.base, files.arms[4], files.arms[12]))
        sentences = [{scripts.grid_lists.sentence(nbest) for nbest in lists} for lists in (base, more)]
        assert sentences[0]
        assert not sentences[0] & sentences[1]
        assert (len(fewer), len(more)) == (4, 12)
        assert {nbest.id for nbest in fewer} < {nbest.id for nbest in more}
        for lists in (base, more):
            assert len({nbest.id for nbest in lists}) == len(lists)
        with pytest.raises(InputError, match="lists=99"):
            scripts.grid_lists.write_lists(lab_folder, tmp_path, [99], 2)

    def test_the_test_has_whole_sentences(self, scripts: Any, lab_folder: Path, tmp_path: Path) -> None:
        files = scripts.grid_lists.write_lists(lab_folder, tmp_path, [4], 2)
        decoded, test = load_nbest(files.decoded), load_nbest(files.test)
        assert (len(decoded), len(test)) == (6, 18)
        assert sorted(map(scripts.grid_lists.snr_db, decoded)) == [0, 0, 5, 5, 10, 10]
        assert len({scripts.grid_lists.sentence(nbest) for nbest in decoded}) == 2
        assert "test-00006" not in {scripts.grid_lists.sentence(nbest) for nbest in test}
        everything = scripts.grid_lists.write_lists(lab_folder, tmp_path, [4], None)
        assert len(load_nbest(everything.decoded)) == 18
        with pytest.raises(InputError, match="has 6"):
            scripts.grid_lists.write_lists(lab_folder, tmp_path, [4], 7)

    def test_embeddings_are_those_of_the_laboratory(
        self, scripts: Any, lab_folder: Path, tmp_path: Path
    ) -> None:
        files = scripts.grid_lists.write_lists(lab_folder, tmp_path, [12], 2)
        chosen = load_nbest(files.arms[12])
        originals = {
            nbest.id: AudioEmbeddings(lab_folder / "lists").get(nbest, "clean")
            for nbest in load_nbest(lab_folder / "lists" / "corrector-more.jsonl")
        }
        embeddings = AudioEmbeddings(tmp_path)
        for nbest in chosen:
            np.testing.assert_array_equal(embeddings.get(nbest, "clean"), originals[nbest.id])
        before = scripts.grid_lists.digest_of(files.arms[12])
        link = next(tmp_path.glob("*.safetensors"))
        content = link.read_bytes()
        link.unlink()
        link.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert scripts.grid_lists.digest_of(files.arms[12]) != before

    def test_a_part_that_is_not_named_changes_nothing(
        self, scripts: Any, lab_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write = scripts.grid_lists.write_lists
        files = write(lab_folder, tmp_path / "a", [12], 2)
        said = capsys.readouterr().err
        used = {nbest.id for path in (files.base, files.arms[12]) for nbest in load_nbest(path)}
        assert used
        taken = {nbest.id for nbest in load_nbest(lab_folder / "lists" / "corrector-more.jsonl")}
        assert used <= taken
        recorded = json.loads((tmp_path / "a" / "composition.json").read_text(encoding="utf-8"))
        counts = recorded["composition"]
        assert [name for name in counts if name.endswith("jsonl")] == ["corrector-more.jsonl"]
        assert counts["corrector-more.jsonl"] == {"lists": 47, "sentences": 24}
        assert counts["of the base"]["lists"] == len(load_nbest(files.base))
        assert counts["tested"] == {"lists": 18, "sentences": 6}
        assert recorded["settings"]["beams"] == 10
        assert "corrector-more.jsonl: 47 lists of 24 sentences" in said
        parts = [*scripts.grid_lists.PARTS, "corrector-1"]
        more = write(lab_folder, tmp_path / "b", [12], 2, parts)
        assert len(load_nbest(more.base)) > len(load_nbest(files.base))
        with pytest.raises(InputError, match=r"corrector-9\.jsonl: not there"):
            write(lab_folder, tmp_path / "c", [12], 2, ["corrector-9"])

    def test_lists_of_another_recogniser_or_search_are_refused(
        self, scripts: Any, lab_folder: Path, tmp_path: Path
    ) -> None:
        lab, parts = tmp_path / "lab", [*scripts.grid_lists.PARTS, "corrector-1"]

        def write() -> None:
            scripts.grid_lists.write_lists(lab, tmp_path / "out", [4], 2, parts)

        shutil.copytree(lab_folder, lab)
        second, test = lab / "lists" / "corrector-1.jsonl", lab / "lists" / "test.jsonl"
        say_how(
            second, embedding_frames="real", shard="1/4", manifest_sha256="other"
        )  # what earlier runs were
        write()
        for name, value in (("n", 5), ("beams", 4), ("normalizer", "number"), ("embedding_frames", "all")):
            say_how(second, **{name: value})
            with pytest.raises(InputError, match=rf"corrector-1\.jsonl: was made with {name} {value!r}"):
                write()
        say_how(second)
        say_how(test, model_sha256="ef01")
        with pytest.raises(InputError, match=r"test\.jsonl: was made with model_sha256 'ef01'"):
            write()
        test.with_suffix(".run.json").unlink()
        with pytest.raises(InputError, match=r"test\.run\.json: not there"):
            write()

    def test_a_sentence_on_two_sides_is_refused(self, scripts: Any, lab_folder: Path, tmp_path: Path) -> None:
        lab = tmp_path / "lab"
        shutil.copytree(lab_folder, lab)
        path = lab / "lists" / "test.jsonl"
        known = [
            replace(nbest, reference=heard("corrector", 3, "car-1", 0).reference)
            for nbest in load_nbest(path)
        ]
        save_nbest(known, path)
        with pytest.raises(
            InputError, match=r"'test-0000.*' of the test has the sentence of 'corrector-00003"
        ):
            scripts.grid_lists.write_lists(lab, tmp_path / "out", [4], 2)


class TestBase:
    def test_folding_lora_in_changes_no_logit(
        self, scripts: Any, tiny_corrector: Callable[..., Corrector], tmp_path: Path
    ) -> None:
        lora = {"r": 4, "alpha": 6.0}
        corrector = tiny_corrector(variant="ger", lora=lora, slots=1)
        with torch.no_grad():
            for name, value in trained_parameters(corrector.llm).items():
                value.mul_(0.0 if name.endswith("gate") else 0.3)
        corrector.save_pretrained(tmp_path / "checkpoint")
        scripts.grid_base.merge_lora(tmp_path / "checkpoint", tmp_path / "llm")
        merged = Corrector.create(
            corrector.config.model_copy(update={"base": str(tmp_path / "llm"), "lora": None}), device="cpu"
        )
        assert merged.llm.llm.dtype == torch.float32
        tokens = torch.tensor([merged.prompt_tokens(["turn it of", "turn it off"])])
        assert tokens.tolist() == [corrector.prompt_tokens(["turn it of", "turn it off"])]
        noise = torch.zeros(1, 1, 16)
        found, expected = merged.logits(tokens, noise), corrector.logits(tokens, noise)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        plain = Corrector.create(corrector.config.model_copy(update={"lora": None}), torch.float32, "cpu")
        assert (plain.logits(tokens, noise) - expected).abs().max() > 0.1

    def test_a_start_takes_the_lora_part_of_another_shape(
        self, scripts: Any, tiny_corrector: Callable[..., Corrector], corrector_section: Any, tmp_path: Path
    ) -> None:
        from robustger.training.config import TrainingConfig

        tiny_corrector(lora={"r": 4}).save_pretrained(tmp_path / "other")
        config = TrainingConfig.model_validate(
            {
                "output": "-",
                "seed": 3,
                "corrector": corrector_section | {"variant": "paper", "lora": {"r": 4}},
                "data": {"train": ["-"]},
            }
        )
        start = {"noise_gate": 0.5, "tuner_scale": 10.0}
        scripts.grid_base.write_start(config, tmp_path / "other", start, tmp_path / "start")
        found, other = (
            trained_parameters(
                Corrector.from_pretrained(tmp_path / name, torch.float32, "cpu", trainable=True).llm
            )
            for name in ("start", "other")
        )
        torch.manual_seed(3)
        fresh = trained_parameters(Corrector.create(config.corrector, torch.float32, "cpu").llm)
        for name, value in found.items():
            expected = other[name] if name.startswith("lora.") else fresh[name]
            if name == "adapter.noise_gate":
                expected = torch.full_like(value, 0.5)
            elif name == "adapter.tuner.weight":
                expected = 10 * expected
            assert torch.equal(value, expected), name
        smaller = config.model_copy(
            update={"corrector": config.corrector.model_validate(corrector_section | {"lora": {"r": 2}})}
        )
        with pytest.raises(InputError, match="another shape"):
            scripts.grid_base.write_start(smaller, tmp_path / "other", {}, tmp_path / "not")


class TestPlan:
    def test_the_first_seed_of_all_arms_comes_first(
        self, scripts: Any, command: Callable[..., list[str]]
    ) -> None:
        runs = planned(scripts, command("--seeds", "4", "5"))
        arms = list(scripts.grid_plan.ARMS)
        expected = [(4, arm) for arm in arms] + [(5, arm) for arm in arms if arm != "untrained"]
        assert [(run.plan["seed"], run.plan["arm"]) for run in runs] == expected
        assert len({run.folder for run in runs}) == len({run.plan["digest"] for run in runs}) == len(runs)
        steps = {json.dumps([run.config["optimization"], run.config["data"]["train"]]) for run in runs}
        assert len(steps) == 1

    @pytest.mark.parametrize("variant", ["paper", "released"])
    def test_matched_has_as_many_parameters(
        self, scripts: Any, command: Callable[..., list[str]], grid_yaml: Path, tmp_path: Path, variant: str
    ) -> None:
        content = yaml.safe_load(grid_yaml.read_text(encoding="utf-8"))
        content["corrector"]["variant"] = variant
        config = tmp_path / "variant.yaml"
        config.write_text(yaml.safe_dump(content), encoding="utf-8")
        options = ["--seeds", "0", "--arms", "robustger", "ger-matched", "ger", "--config", str(config)]
        runs = planned(scripts, command(*options))
        correctors = {
            run.plan["arm"]: Corrector.create(
                CorrectorConfig.model_validate(run.config["corrector"]), torch.float32, "cpu"
            )
            for run in runs
        }
        counts = {
            arm: sum(value.numel() for value in one.llm.adapter.parameters())
            for arm, one in correctors.items()
        }
        assert correctors["robustger"].llm.variant == variant
        shape = correctors["ger-matched"].llm.shape
        assert abs(counts["ger-matched"] - counts["robustger"]) <= shape.layers * shape.width / 2
        assert counts["ger"] < counts["ger-matched"]
        assert correctors["ger-matched"].llm.layers == correctors["robustger"].llm.layers

    def test_changes_are_arms_of_their_own(self, scripts: Any, command: Callable[..., list[str]]) -> None:
        options = ["--arms", "robustger", "--seeds", "0"]
        changes = ["optimization.adapter_lr=0.5 start.noise_gate=0.1", "lists=4"]
        runs = planned(scripts, command(*options, "--set", changes[0], "--set", changes[1]))
        assert [run.plan["change"] for run in runs] == ["", *changes]
        assert [run.config["optimization"]["adapter_lr"] for run in runs] == [0.05, 0.5, 0.05]
        assert [Path(run.config["data"]["train"][0]).name for run in runs] == [
            "arms-12.jsonl",
            "arms-12.jsonl",
            "arms-4.jsonl",
        ]
        assert runs[1].plan["start"] == {"noise_gate": 0.1}
        assert runs[1].config["initial"] == str(runs[1].folder / "start")
        with pytest.raises(InputError, match="a number is needed"):
            scripts.grid_plan.Change.parse("lists=many")

    def test_a_folder_of_another_grid_is_refused(
        self, scripts: Any, command: Callable[..., list[str]]
    ) -> None:
        options = ["--arms", "ger", "--seeds", "0"]
        (run,) = planned(scripts, command(*options))
        run.folder.mkdir()
        (run.folder / "run.json").write_text(json.dumps(run.plan), encoding="utf-8")
        scripts.grid_plan.check_folders(planned(scripts, command(*options)))
        with pytest.raises(InputError, match="ger-0: holds a run with other lists;"):
            scripts.grid.main(command(*options, "--lists", "8"))

    @pytest.mark.parametrize("file", ["run.json", "results.json"])
    def test_what_was_made_on_other_weights_is_refused(
        self, scripts: Any, command: Callable[..., list[str]], grid_yaml: Path, tiny_base: Path, tmp_path: Path,
        file: str,
    ) -> None:  # fmt: skip
        """Under the same name and with the same settings."""
        base = tmp_path / "llm"
        shutil.copytree(tiny_base, base)
        content = yaml.safe_load(grid_yaml.read_text(encoding="utf-8"))
        content["corrector"]["base"] = str(base)
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        arguments = command("--arms", "ger", "--seeds", "0", "--config", str(tmp_path / "grid.yaml"))
        (run,) = planned(scripts, arguments)
        run.folder.mkdir()
        (run.folder / file).write_text(json.dumps(run.plan), encoding="utf-8")
        scripts.grid_plan.check_folders(planned(scripts, arguments))
        weights = base / "model.safetensors"
        stored = weights.read_bytes()
        weights.write_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
        with pytest.raises(InputError, match="ger-0: holds a run with other base;"):
            scripts.grid.main(arguments)
        assert [path.name for path in run.folder.iterdir()] == [file]

    def test_what_all_arms_share_has_no_arm_change_or_seed_in_it(
        self, scripts: Any, command: Callable[..., list[str]]
    ) -> None:
        runs = planned(scripts, command("--seeds", "4", "5", "--set", "lists=4 optimization.adapter_lr=0.5"))
        assert len({json.dumps(run.plan["shared"], sort_keys=True) for run in runs}) == 1
        parts = {"base", "guard", "lists", "recipe", "sentence encoder", "test lists"}
        assert runs[0].plan["shared"].keys() == parts
        (fewer, *_) = planned(scripts, command("--sentences", "1"))
        assert {part for part in parts if fewer.plan["shared"][part] != runs[0].plan["shared"][part]} == {
            "test lists"
        }

    def test_a_plan_is_said_and_nothing_is_run(
        self, scripts: Any, command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = ["--arms", "untrained", "ger", "robustger", "--seeds", "0", "1"]
        runs = planned(scripts, command(*options))
        for run in runs[:2]:
            run.folder.mkdir()
            (run.folder / "run.json").write_text(json.dumps(run.plan), encoding="utf-8")
        (runs[0].folder / "results.json").write_text(json.dumps(runs[0].plan), encoding="utf-8")
        (runs[1].folder / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n', encoding="utf-8")
        capsys.readouterr()
        assert scripts.grid.main(command(*options, "--plan")) == 0
        assert capsys.readouterr().out.splitlines() == [
            "untrained-0: done",
            "ger-0: begun, 2 steps",
            "robustger-0: to do",
            "ger-1: to do",
            "robustger-1: to do",
        ]
        assert not any(run.folder.exists() for run in runs[2:])


class TestRun:
    def test_one_decoding_gives_both_guards(
        self, scripts: Any, lab_folder: Path, tiny_corrector: Callable[..., Corrector]
    ) -> None:
        corrector = tiny_corrector(n_best=3, skip_agreeing=False, max_new_tokens=12)
        lists = load_nbest(lab_folder / "lists" / "test.jsonl")
        guard = GuardConfig(name="margin", min_gain=2.0, max_edit_rate=1.0)
        guarded = corrector.correct(lists, guard=guard)
        free = corrector.correct(lists, guard="none")
        assert [scripts.grid_run.unguarded(one) for one in guarded] == [one.text for one in free]
        assert [one.text for one in guarded] != [one.text for one in free]
        assert {one.source for one in free} >= {"llm"}

    @pytest.mark.parametrize("noise", ["real", "random"])
    def test_losses_are_those_of_training(
        self, scripts: Any, lab_folder: Path, corrector_section: Any, tmp_path: Path, noise: str,
        tiny_corrector: Callable[..., Corrector],
    ) -> None:  # fmt: skip
        from robustger.training.config import TrainingConfig
        from robustger.training.loop import Trainer

        lists = lab_folder / "lists" / "test.jsonl"
        tiny_corrector(**corrector_section, noise=noise).save_pretrained(tmp_path / "checkpoint")
        config = TrainingConfig.model_validate(
            {
                "output": str(tmp_path / "run"),
                "dtype": "float32",
                "initial": str(tmp_path / "checkpoint"),
                "corrector": corrector_section | {"noise": noise},
                "data": {"train": [str(lists)], "dev": [str(lists)]},
            }
        )
        corrector = Corrector.from_pretrained(tmp_path / "checkpoint", torch.float32, "cpu")
        found = scripts.grid_run.reference_losses(corrector, lists, tmp_path / "cache", 0)
        expected = Trainer(config).dev_loss()
        assert sum(found["nats"]) / sum(found["tokens"]) == pytest.approx(expected, rel=1e-4)
        assert found["ids"] == [nbest.id for nbest in load_nbest(lists)]

    def test_the_grid_goes_on_after_a_kill_and_does_nothing_twice(
        self, scripts: Any, command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = command("--arms", "ger-matched", "mine-paper", "--seeds", "0")
        runs = planned(scripts, arguments)
        process = scripts.grid._started(runs[1], os.environ | {"OMP_NUM_THREADS": "1"})
        while not (runs[1].folder / "last" / "training_state").is_dir():
            assert process.poll() is None, (runs[1].folder / "output.log").read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not runs[1].done
        assert scripts.grid.main(arguments) == 0
        output = capsys.readouterr()
        assert "2 of 2 runs to do" in output.err
        assert "going on at step" in (runs[1].folder / "output.log").read_text()
        assert "going on at step" not in (runs[0].folder / "output.log").read_text()
        results = [json.loads((run.folder / "results.json").read_text()) for run in runs]
        lists = load_nbest(runs[0].plan["decoded"])
        for one in results:
            assert one["ids"] == [nbest.id for nbest in lists]
            assert all(len(one["errors"][guard]) == len(lists) for guard in ("none", "margin"))
            assert one["log"]["step"] == 6
            assert one["shared"] == runs[0].plan["shared"]
        assert results[1]["log"]["mutual_information"] is not None
        before = {path: path.stat().st_mtime_ns for run in runs for path in run.folder.rglob("*")}
        assert scripts.grid.main(arguments) == 0
        again = capsys.readouterr()
        assert "0 of 2 runs to do" in again.err
        assert again.out == output.out
        assert before == {path: path.stat().st_mtime_ns for run in runs for path in run.folder.rglob("*")}
        assert scripts.grid.main([*arguments, "--table"]) == 0
        assert capsys.readouterr().out == output.out

    def test_the_base_is_trained_once_and_is_what_the_arms_stand_on(
        self,
        scripts: Any,
        command: Callable[..., list[str]],
        grid_yaml: Path,
        tiny_corrector: Callable[..., Corrector],
        tmp_path: Path,
    ) -> None:
        tiny_corrector(lora={"r": 4}).save_pretrained(tmp_path / "whisper")  # of the variant paper
        content = yaml.safe_load(grid_yaml.read_text(encoding="utf-8"))
        content["corrector"] |= {"variant": "ger", "slots": 1, "lora": {"r": 4}}
        content["initial"] = str(tmp_path / "whisper")
        content["optimization"] |= {"epochs": 1, "adapter_lr": 1e-12, "lora_lr": 0.01}
        base_yaml = tmp_path / "base.yaml"
        base_yaml.write_text(yaml.safe_dump(content), encoding="utf-8")
        arguments = command("--arms", "untrained", "--seeds", "0", "--base-config", str(base_yaml))
        arguments[arguments.index("none")] = "train"
        assert scripts.grid.main(arguments) == 0
        base = tmp_path / "grid" / "base"
        trained = trained_parameters(
            Corrector.from_pretrained(base / "best", torch.float32, "cpu", trainable=True).llm
        )
        assert trained["adapter.gate"].abs().max() < 1e-9
        start = trained_parameters(
            Corrector.from_pretrained(base / "start", torch.float32, "cpu", trainable=True).llm
        )
        moved = [name for name, value in trained.items() if (value - start[name]).abs().max() > 1e-4]
        assert moved
        assert all(name.startswith("lora.") for name in moved)
        (run,) = (tmp_path / "grid").glob("untrained-0")
        configured = yaml.safe_load((run / "training.yaml").read_text(encoding="utf-8"))
        assert configured["corrector"]["base"] == str(base / "llm")
        # What it wrote is what the trained corrector writes, whose gate is closed.
        lists = load_nbest(next((tmp_path / "grid" / "lists").glob("decoded-*.jsonl")))
        lines = (run / "corrections.jsonl").read_text(encoding="utf-8").splitlines()
        written = [json.loads(line)["none"] for line in lines]
        corrector = Corrector.from_pretrained(base / "best", torch.float32, "cpu")
        assert written == [one.text for one in corrector.correct(lists, guard="none")]

    def test_a_failed_run_is_told_and_the_others_are_done(
        self,
        scripts: Any,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With a script of the test's own in the place of the run's."""
        script = (
            "import json, pathlib, sys\n"
            "folder = pathlib.Path(sys.argv[1])\n"
            "plan = json.loads((folder / 'run.json').read_text())\n"
            "if plan['digest'] == 'bad':\n"
            "    sys.exit('broken')\n"
            "(folder / 'results.json').write_text(json.dumps(plan))\n"
        )
        (tmp_path / "one.py").write_text(script, encoding="utf-8")
        monkeypatch.setattr(scripts.grid, "HERE", tmp_path)
        runs = [
            scripts.grid_plan.Run(tmp_path / name, "one.py", None, {"digest": name})
            for name in ("bad", "good")
        ]
        assert scripts.grid.execute(runs, 1) == runs[:1]
        assert "bad: failed, see" in capsys.readouterr().err
        assert "broken" in (tmp_path / "bad" / "output.log").read_text()
        assert runs[1].done
