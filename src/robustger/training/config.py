"""The settings of a training YAML, typed and validated, with `--set a.b=c` overrides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from robustger.correction.config import CorrectorConfig, Section, validate_config
from robustger.errors import InputError
from robustger.yaml_files import parse_yaml, read_yaml


class DataConfig(Section):
    """N-best JSONL files; `~` and environment variables in the paths are expanded."""

    train: list[str] = Field(min_length=1)
    dev: list[str] = Field(default_factory=list)
    max_tokens: int = Field(
        default=512, ge=16, description="longer examples are left out of training and counted"
    )
    cache: str | None = Field(
        default=None,
        description="folder for the noise embeddings of the lists; several runs may share it. None: a folder in "
        "`output`",
    )


class OptimizationConfig(Section):
    """The optimization. Appendix C: adapter_lr 1e-2 (CHiME-4) or 5e-3, weight decay 0.02, 4 x 8 lists, 2 epochs."""

    epochs: int = Field(default=2, ge=1)
    max_steps: int | None = Field(
        default=None, ge=1, description="optimizer steps, if fewer than the epochs have"
    )
    batch_size: int = Field(default=32, ge=1, description="lists per optimizer step")
    micro_batch_size: int = Field(
        default=4, ge=1, description="lists per forward pass; the step's gradient does not depend on it"
    )
    micro_batch_tokens: int = Field(
        default=4096, ge=1, description="padded tokens per forward pass; bounds the memory"
    )
    adapter_lr: float = Field(default=5e-3, gt=0, description="prompts, gates and tuner")
    lora_lr: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warmup_epochs: float = Field(default=0.2, ge=0, description="linear warm-up, as a share of one epoch")
    final_lr_share: float = Field(
        default=1.0, ge=0, le=1, description="linear decay to this share of the peak; 1 = constant"
    )
    max_grad_norm: float = Field(
        default=math.inf,
        gt=0,
        description="gradients of either step are scaled down to this norm; infinite: never, because in step 2 one "
        "norm over both losses lets the distillation shrink the steps of the language model's loss",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="layers keep only their input, and run again in the backward pass"
    )
    max_skipped: int = Field(
        default=10,
        ge=1,
        description="training stops after this many steps in a row without a finite loss or gradient; each is skipped",
    )


class DistillationConfig(Section):
    """Audio noise distillation (Algorithm 1); `objective` is a name in `robustger.distillation.DISTILLATIONS`."""

    objective: str = "none"
    weight: float = Field(
        default=0.5, ge=0, description="lambda, the weight of the loss that is added to L_H2T in step 2"
    )
    lr_share: float = Field(
        default=0.1, gt=0, description="learning rate of the statistics network, as a share of adapter_lr"
    )
    hidden: int | None = Field(
        default=None,
        ge=1,
        description="width of the statistics network; None takes the default of the objective",
    )
    output: str = Field(
        default="sigmoid", description="output of the statistics network: `sigmoid` (paper) or `identity`"
    )


class EvaluationConfig(Section):
    every_steps: int = Field(default=100, ge=1)
    wer_lists: int = Field(
        default=0,
        ge=0,
        description="number of dev lists that are also decoded for their WER at each evaluation",
    )
    normalizer: str = "number"
    best_by: Literal["loss", "wer"] = Field(
        default="loss",
        description="measure of the dev lists that decides which checkpoint is the best; `wer` is taken of the first "
        "`wer_lists`",
    )
    patience: int | None = Field(
        default=None, ge=1, description="stop after this many evaluations in a row without a new best"
    )
    keep_last: int = Field(
        default=1,
        ge=1,
        description="number of kept checkpoints from which training can go on; the newest is `last`",
    )


class TrainingConfig(Section):
    """The settings of a training run; `~` and environment variables in `output` are expanded."""

    output: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    dtype: str = Field(default="auto", pattern="^(auto|bfloat16|float32)$")
    corrector: CorrectorConfig = CorrectorConfig()
    initial: str | None = Field(
        default=None,
        description="preset or checkpoint folder of the same shape, whose weights training starts from",
    )
    data: DataConfig
    optimization: OptimizationConfig = OptimizationConfig()
    distillation: DistillationConfig = DistillationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: Literal["auto", "none", "tensorboard", "wandb"] = Field(
        default="auto",
        description="where the numbers of `log.jsonl` also go; `auto` is TensorBoard where it is installed",
    )


def load_training_config(path: str | Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Reads a training YAML and applies `a.b=value` overrides (values are YAML).

    Raises:
        InputError: unreadable file, unknown key or bad value; the message names it.
    """
    content = read_yaml(path)
    for override in overrides:
        content = _override(content, override)
    return validate_config(TrainingConfig, content, str(path))


def _override(content: Any, override: str) -> Any:
    key, separator, text = override.partition("=")
    if not separator or not all(key.split(".")):
        raise InputError(f"--set {override}: write it as key.subkey=value")
    value = parse_yaml(text, f"--set {override[:200]}:")
    if not isinstance(content, dict | None):
        return content  # the validation says what is wrong with it
    result = dict(content or {})
    node = result
    *parents, last = key.split(".")
    for part in parents:
        child = node.get(part)
        if child is not None and not isinstance(child, dict):
            raise InputError(f"--set {override}: {part!r} is a value, not a section")
        node[part] = dict(child or {})
        node = node[part]
    node[last] = value
    return result
