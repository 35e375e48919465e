"""Plans trainings: the folder and configuration of each, and a digest of everything that its results depend on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.correction.config import GuardConfig
from robustger.errors import InputError
from robustger.experiments.experiment import ARMS, UNTRAINED, RunKey, Scale
from robustger.experiments.runs.arms import Change, own_overrides
from robustger.experiments.runs.run import (
    MODEL_FOLDER,
    START_FOLDER,
    ArmPlan,
    BasePlan,
    PlanT,
    TrainingRun,
    guard_to_dict,
    stored_digests,
)
from robustger.experiments.runs.selection import ListFiles, digest_of
from robustger.experiments.runs.start import USUAL_START, StartChange
from robustger.files import sha256_of

if TYPE_CHECKING:
    from robustger.training.config import TrainingConfig

# The guard of the preset whisper; it is not tuned on the lists of an experiment.
GUARD = GuardConfig(name="margin", min_gain=2.25, max_edit_rate=1.0)
NO_BASE, TRAIN_BASE = "none", "train"
BASE_FOLDER = "base"


def settled(run: TrainingRun[PlanT]) -> TrainingRun[PlanT]:
    """The run in its own folder: the folder with its name, or one beside it where another run has that folder.

    Results are never overwritten, because a mistyped option would cost hours.

    Raises:
        InputError: both folders hold other runs.
    """
    shared = dict(run.plan.shared) if isinstance(run.plan, ArmPlan) else {}
    if _free(run.folder, run.plan.digest, shared):
        return run
    folder = run.folder.with_name(f"{run.folder.name}-{_digest(run.plan.digest, shared)[:8]}")
    if not _free(folder, run.plan.digest, shared):
        raise InputError(
            f"{folder}: holds a run with other settings; name another folder with --runs, or remove it"
        )
    config = run.config
    if config is not None:
        initial = config.initial and str(folder / START_FOLDER)
        config = config.model_copy(update={"output": str(folder), "initial": initial})
    return replace(run, folder=folder, config=config)


def _free(folder: Path, digest: str, shared: dict[str, str]) -> bool:
    """Whether the folder holds no other run than the one with these digests."""
    return all(
        stored == digest and all(known.get(part) == value for part, value in shared.items())
        for stored, known in stored_digests(folder)
    )


# Section, key and first default of every setting whose default has changed since trainings were kept.
FIRST_DEFAULTS = (("optimization", "max_grad_norm", 1.0),)


def plan_base(scale: Scale, runs: Path, lists: ListFiles) -> TrainingRun[BasePlan] | None:
    """The run that makes the shared language model; None where the arms take the one of their recipe.

    Args:
        scale: names the base and its recipe.
        runs: folder of the trainings.
        lists: the files to train on.

    Raises:
        InputError: the scale has no recipe for a base, or the base is neither a checkpoint nor a preset.
    """
    from robustger.correction.checkpoint import checkpoint_folder, read_config

    if scale.base == NO_BASE:
        return None
    folder = runs / BASE_FOLDER
    if scale.base != TRAIN_BASE:
        digest = _digest("merged", _lora_digest(scale.base))
        model = read_config(checkpoint_folder(scale.base)).base
        return settled(TrainingRun(folder, None, BasePlan(digest, scale.base, model)))
    if scale.base_recipe is None or lists.base is None:
        raise InputError("--base train: this scale has no recipe for a base; use none, or name a checkpoint")
    overrides = [f"output={folder}", f"data.train=[{json.dumps(str(lists.base))}]"]
    config, lora_of = _started(_resolved(scale.base_recipe, overrides), folder, USUAL_START)
    digest = _digest("trained", _settings(config), digest_of(lists.base), _lora_digest(lora_of))
    return settled(TrainingRun(folder, config, BasePlan(digest, None, config.corrector.base, lora_of)))


def plan_arms(
    scale: Scale,
    runs: Path,
    keys: Sequence[RunKey],
    lists: ListFiles,
    base: TrainingRun[BasePlan] | None,
) -> list[TrainingRun[ArmPlan]]:
    """The runs of the arms, in the order of the keys. `on_base` adds the digest of the base.

    Args:
        scale: names the recipe.
        runs: folder of the trainings.
        keys: of the runs.
        lists: the files to train and test on.
        base: the run of the shared language model, which need not be done.
    """
    tests = digest_of(lists.decoded), digest_of(lists.test)
    data = {count: digest_of(path) for count, path in lists.arms.items()}
    whole = min(list_count(scale) or lists.available, lists.available)
    overrides = [*_common(runs, base), f"output={runs}", "seed=0"]
    shared = _shared(scale.recipe, overrides) | {"lists": data[whole], "test lists": _digest(tests)}
    planned = []
    for key in keys:
        change = Change.parse(key.change)
        own_base = base if change.llm is None else None
        common = _common(runs, own_base)
        if change.llm is not None:
            common += [f"corrector.base={change.llm}", "corrector.lora=null", "initial=null"]
        name = f"{key.arm}+{key.change}" if key.change else key.arm
        folder = runs / f"{_file_name(name)}-{key.seed}"
        count = change.lists or whole
        # The base may not be there yet; it has the sizes of the model that it is made of.
        overrides = [
            *change.overrides,
            *ARMS[key.arm].overrides,
            *_layers_of_ger(key.arm, scale),
            f"output={folder}",
            f"seed={key.seed}",
            f"data.train=[{json.dumps(str(lists.arms[count]))}]",
            *common,
        ]
        config = _resolved(scale.recipe, overrides)
        model = own_base.plan.model if own_base else config.corrector.base
        if own := own_overrides(key.arm, config.corrector, model, lists.test):
            config = _resolved(scale.recipe, [*overrides, *own])
        # A GER has no noise and therefore no noise gate that could start elsewhere.
        start = USUAL_START if config.corrector.variant == "ger" else change.start
        config, lora_of = _started(config, folder, start)
        weights = own_base.plan.digest if own_base else config.corrector.base
        started = [_lora_digest(lora_of), start.to_dict()]
        guard = guard_to_dict(GUARD)
        plan = ArmPlan(
            digest=_digest(_settings(config), data[count], tests, weights, started, guard, key.arm),
            key=key,
            trained=key.arm != UNTRAINED,
            guard=GUARD,
            test=str(lists.test),
            decoded=str(lists.decoded),
            cache=str(_cache(runs)),
            shared=shared,
            lora_of=lora_of,
            start=start,
        )
        planned.append(TrainingRun(folder, config, plan))
    return planned


def _layers_of_ger(arm: str, scale: Scale) -> list[str]:
    """The layers of the plain baseline, where the scale gives them."""
    if arm != "ger" or scale.ger_first_layer is None:
        return []
    return [f"corrector.first_layer={scale.ger_first_layer}"]


def on_base(
    arms: Iterable[TrainingRun[ArmPlan]], scale: Scale, runs: Path, base: TrainingRun[BasePlan] | None
) -> list[TrainingRun[ArmPlan]]:
    """The runs of the arms with the digest of the base's weights, which is known once the base is there.

    Weights that are trained again elsewhere are not the same, so that their arms get folders of their own.
    """
    model = (
        str(base.folder / MODEL_FOLDER)
        if base
        else _resolved(scale.recipe, _common(runs, None)).corrector.base
    )
    digest = _model_digest(model)
    return [
        settled(replace(run, plan=replace(run.plan, shared={**run.plan.shared, "base": digest})))
        for run in arms
    ]


def list_count(scale: Scale) -> int | None:
    """The number of lists that a scale and its changes ask for; None for all."""
    return Change.parse(scale.changes).lists or scale.lists


def _cache(runs: Path) -> Path:
    """The folder of the noise embeddings that trainings share."""
    return runs / "cache"


def _common(runs: Path, base: TrainingRun[BasePlan] | None) -> list[str]:
    common = ["data.dev=[]", f"data.cache={_cache(runs)}"]
    if base is not None:
        common += [f"corrector.base={base.folder / MODEL_FOLDER}", "corrector.lora=null", "initial=null"]
    return common


def _shared(recipe: Path, overrides: Sequence[str]) -> dict[str, str]:
    """Digests of everything that all arms share besides lists and base: the recipe without change and seed."""
    config = _resolved(recipe, overrides)
    return {
        "recipe": _digest(_settings(config), _lora_digest(config.initial)),
        "guard": _digest(guard_to_dict(GUARD)),
        "sentence encoder": _model_digest(config.corrector.encoder),
    }


def _started(config: TrainingConfig, folder: Path, start: StartChange) -> tuple[TrainingConfig, str | None]:
    """Points `initial` to the start that the run writes, where it needs one.

    Returns:
        the configuration, and the preset or checkpoint whose LoRA part the start takes.
    """
    lora_of = config.initial
    if lora_of and config.corrector.lora is None:
        raise InputError(
            "initial: only its LoRA part is taken, but corrector.lora is null; set corrector.lora"
        )
    initial = str(folder / START_FOLDER) if lora_of or start.to_dict() else None
    return config.model_copy(update={"initial": initial}), lora_of


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.+=,-]+", "_", name)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _settings(config: TrainingConfig) -> dict[str, Any]:
    """The part of a configuration that the results depend on, except for files, which have digests of their own.

    Defaults are left out, so that a key which a later version adds does not change the digest of a run. Where a later
    version changes a default, the first one is left out, for the same reason.
    """
    changed = config.model_dump(mode="json", exclude_defaults=True)
    for section, key, first in FIRST_DEFAULTS:
        value = getattr(getattr(config, section), key)
        part = {k: v for k, v in changed.pop(section, {}).items() if k != key}
        if part := part | ({} if value == first else {key: value}):
            changed[section] = part
    kept = {k: v for k, v in changed.items() if k not in ("output", "data", "initial", "evaluation")}
    kept["corrector"] = {k: v for k, v in changed.get("corrector", {}).items() if k != "base"}
    return kept | {"max_tokens": config.data.max_tokens}


def _resolved(path: Path, overrides: Sequence[str]) -> TrainingConfig:
    from robustger.training.config import load_training_config

    return load_training_config(path, overrides)


def _lora_digest(name: str | None) -> str | None:
    """The digest of the weights of a checkpoint whose LoRA part is taken."""
    from robustger.correction.checkpoint import checkpoint_folder

    if name is None:
        return None
    return sha256_of(checkpoint_folder(name) / "adapter.safetensors")[:16]


def _model_digest(name: str) -> str:
    """The digest of all files of a model."""
    from robustger.models import resolve_model

    digest = hashlib.sha256()
    for path in sorted(path for path in resolve_model(name).iterdir() if path.is_file()):
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()[:16]
