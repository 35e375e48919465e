from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.training.config import TrainingConfig, load_training_config

FILES = (Path(__file__).parents[2] / "recipes").glob("**/*.yaml")
EXPERIMENTS = sorted(path for path in FILES if path.name != "data.yaml")
SMALLEST = "output: runs/mine\ndata: {train: [lists.jsonl]}\n"


@pytest.fixture
def smallest(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALLEST, encoding="utf-8")
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_training_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_there_are_experiments() -> None:
    assert EXPERIMENTS


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_is_a_valid_configuration(path: Path) -> None:
    load_training_config(path)


def test_what_is_not_named_has_a_default(smallest: Path) -> None:
    config = load_training_config(smallest)
    assert config.corrector.base == "smollm2-135m"
    assert config.optimization.batch_size == 32
    assert config.data.dev == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("optimisation: {epochs: 3}", "unknown key 'optimisation'; did you mean 'optimization'?"),
        ("optimization: {epoch: 3}", "unknown key 'optimization.epoch'; did you mean 'optimization.epochs'?"),
        ("adapter_lr: 1e-3", "unknown key 'adapter_lr'; did you mean 'optimization.adapter_lr'?"),
        ("distillation: {lambda: 1}", "'distillation.lambda'; known keys: objective, weight, lr_share"),
        ("corrector: {lora: {rank: 3}}", "unknown key 'corrector.lora.rank'; known keys: r, alpha, targets"),
        (
            "corrector: {lora: {dropuot: 3}}",
            "'corrector.lora.dropuot'; did you mean 'corrector.lora.dropout'?",
        ),
        ("optimization: {epochs: 0}", "optimization.epochs = 0"),
        ("optimization: {epochs: many}", "optimization.epochs = 'many'"),
        ("optimization: {adapter_lr: -1}", "optimization.adapter_lr = -1"),
        ("optimization: 3", "optimization = 3"),
        ("corrector: {variant: robust}", "corrector.variant = 'robust'"),
        ("dtype: float16", "dtype = 'float16'"),
        ("seed: -1", "seed = -1"),
        ("seed: 99999999999999999999", "seed = 99999999999999999999"),
        ("1: one", "1"),
    ],
)
def test_unknown_keys_and_bad_values_are_named(smallest: Path, line: str, named: str) -> None:
    smallest.write_text(f"{SMALLEST}{line}\n", encoding="utf-8")
    message = refusal(smallest)
    assert message.startswith(f"{smallest}: ")
    assert named in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output: runs/mine\n", "data is missing"),
        ("data: {train: [lists.jsonl]}\n", "output is missing"),
        ("output: ''\ndata: {train: [lists.jsonl]}\n", "output = ''"),
        ("output: runs/mine\ndata: {train: []}\n", "data.train = []"),
        ("", "a mapping of keys to values is needed"),
        ("- output\n- data\n", "a mapping of keys to values is needed"),
        ("output: runs/mine\ndata: {train: [lists.jsonl\n", "line 3"),
        ("output: runs/mine\n\tdata: 1\n", "line 2"),
        ("output: a\x07b\n", "not valid YAML"),
        ("output: 2021-99-99\n", "not valid YAML"),
    ],
)
def test_incomplete_or_broken_files_are_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    message = refusal(path)
    assert message.startswith(f"{path}:")
    assert said in message


@pytest.mark.parametrize("override", ["seed=1", "corrector.n_best=2"])
@pytest.mark.parametrize("text", ["- output\n", "just words\n"])
def test_a_file_that_is_no_mapping_cannot_be_overridden(tmp_path: Path, text: str, override: str) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(text, encoding="utf-8")
    assert "a mapping of keys to values is needed" in refusal(path, override)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    assert refusal(missing) == f"{missing}: cannot be read: No such file or directory"
    assert refusal(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert refusal(binary) == f"{binary}: cannot be read: not UTF-8 text"


def test_overrides_are_typed_yaml(smallest: Path) -> None:
    config = load_training_config(
        smallest,
        [
            "seed=7",
            "optimization.adapter_lr=1e-3",
            "corrector.lora={r: 8, targets: [q_proj, v_proj]}",
            "corrector.skip_agreeing=false",
            "data.dev=[a.jsonl, b.jsonl]",
            "data.dev=[c.jsonl]",  # the last one counts
            "output=runs/with=sign",
        ],
    )
    assert config.seed == 7
    assert config.optimization.adapter_lr == 1e-3
    assert config.corrector.lora is not None
    assert config.corrector.lora.targets == ["q_proj", "v_proj"]
    assert config.corrector.skip_agreeing is False
    assert config.data.dev == ["c.jsonl"]
    assert config.data.train == ["lists.jsonl"]  # its neighbors stay
    assert config.output == "runs/with=sign"
    assert load_training_config(smallest, ["corrector.lora={r: 8}", "corrector.lora="]).corrector.lora is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "--set seed: write it as key.subkey=value"),
        ("=7", "--set =7: write it as key.subkey=value"),
        ("corrector.=7", "--set corrector.=7: write it as key.subkey=value"),
        ("output.folder=x", "--set output.folder=x: 'output' is a value, not a section"),
        ("data.train.0=x", "--set data.train.0=x: 'train' is a value, not a section"),
        ("data.train=[x", "--set data.train=[x: line 1: not valid YAML"),
        ("output=2021-99-99", "--set output=2021-99-99: not valid YAML"),
        ("corrector.lora.rank=3", "unknown key 'corrector.lora.rank'"),
        ("corector.variant=ger", "unknown key 'corector'; did you mean 'corrector'?"),
        ("optimization.epochs=1.5", "optimization.epochs = 1.5"),
        ("seed={a: 1}", "seed = {'a': 1}"),
    ],
)
def test_bad_overrides(smallest: Path, override: str, said: str) -> None:
    assert said in refusal(smallest, override)


@given(st.integers(0, 2**32 - 1), st.floats(1e-12, 1e12), st.text(min_size=1))
def test_a_configuration_survives_being_written(seed: int, rate: float, output: str) -> None:
    config = TrainingConfig.model_validate(
        {
            "output": output,
            "seed": seed,
            "data": {"train": [output]},
            "optimization": {"adapter_lr": rate},
        }
    )
    written = yaml.safe_dump(config.model_dump(mode="json"))
    assert TrainingConfig.model_validate(yaml.safe_load(written)) == config
