"""Which trainings there are, where each has its folder, and what their results depend on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.experiments.runs.arms import ARMS, UNTRAINED, Change, own_overrides
from robustger.experiments.experiment import RunKey
from robustger.experiments.runs.process import PLAN, RESULTS, is_done
from robustger.experiments.runs.selection import ListFiles, digest_of

GUARD = {"name": "margin", "min_gain": 2.25, "max_edit_rate": 1.0}  # the preset whisper's, not tuned here
NO_BASE, TRAIN_BASE = "none", "train"
BASE, START = "base", "start"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How trainings are made.

    Attributes:
        config: YAML of what the arms have in common.
        base: `train`, by `base_config`; `none`: the language model of `config`; or a preset or checkpoint whose LoRA
            part is folded in.
        base_config: YAML of the base's training; None where there can be none.
        changes: for every arm, `KEY=VALUE [KEY=VALUE ...]`.
        runs: folder of the trainings.
        lists: how many lists the arms learn from, unless a change says otherwise; None, or more than there are, for
            all.
    """

    config: Path
    base: str
    base_config: Path | None
    changes: str
    runs: Path
    lists: int | None = None

    @property
    def count(self) -> int | None:
        """`lists`, or what the changes say."""
        return Change.parse(self.changes).lists or self.lists

    @property
    def cache(self) -> Path:
        """The folder of the noise embeddings that trainings share."""
        return self.runs / "cache"


@dataclass(frozen=True, slots=True)
class Run:
    """One training, a process of its own.

    Attributes:
        folder: of the run.
        config: content of its training.yaml; None where nothing is trained.
        plan: content of its run.json; `digest` names all that the results depend on, `shared` what all arms of a table
            have in common, by name.
    """

    folder: Path
    config: dict[str, Any] | None
    plan: dict[str, Any]

    @property
    def done(self) -> bool:
        """Whether its results are there."""
        return is_done(self.folder, self.plan["digest"])

    @property
    def key(self) -> RunKey:
        """Of the run of an arm."""
        return RunKey(self.plan["arm"], self.plan["change"], self.plan["seed"])


def settled(run: Run) -> Run:
    """The run in its own folder: the one with its name, or one beside it where a run of other content has that.

    Nothing is ever done anew over results that are there: hours would go for an option mistyped.
    """
    content = run.plan["digest"], run.plan.get("shared", {})
    if _free(run, run.folder):
        return run
    folder = run.folder.with_name(f"{run.folder.name}-{_digest(*content)[:8]}")
    if not _free(run, folder):
        raise InputError(
            f"{folder}: holds a run with other settings; name another folder with --runs, or remove it"
        )
    config = run.config
    if config is not None:
        config = config | {"output": str(folder), "initial": config["initial"] and str(folder / START)}
    return replace(run, folder=folder, config=config)


def _free(run: Run, folder: Path) -> bool:
    """Whether nothing is in the folder, or this run."""
    for name in (PLAN, RESULTS):
        try:
            stored = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        known = stored.get("shared", {})
        if stored["digest"] != run.plan["digest"]:
            return False
        if any(known.get(part) != value for part, value in run.plan.get("shared", {}).items()):
            return False
    return True


def plan_base(recipe: Recipe, lists: ListFiles) -> Run | None:
    """The run that makes the shared language model; None where the arms take that of their configuration."""
    from robustger.correction.checkpoint import checkpoint_folder, read_config

    if recipe.base == NO_BASE:
        return None
    folder = recipe.runs / BASE
    if recipe.base != TRAIN_BASE:
        digest = _digest("merged", _lora_digest(recipe.base))
        model = read_config(checkpoint_folder(recipe.base)).base
        plan = {"digest": digest, "checkpoint": recipe.base, "model": model}
        return settled(Run(folder, None, plan))
    if recipe.base_config is None or lists.base is None:
        raise InputError("--base train: this scale has no recipe for a base; use none, or name a checkpoint")
    overrides = [f"output={folder}", f"data.train=[{json.dumps(str(lists.base))}]"]
    config = _resolved(recipe.base_config, overrides)
    plan = _start(config, folder, {}) | {"checkpoint": None, "model": config["corrector"]["base"]}
    digest = _digest("trained", _settings(config), digest_of(lists.base), _lora_digest(plan["lora_of"]))
    return settled(Run(folder, config, plan | {"digest": digest}))


def plan_arms(recipe: Recipe, keys: Sequence[RunKey], lists: ListFiles, base: Run | None) -> list[Run]:
    """All runs of the arms, in the order of the keys; what is in the base is left to `on_base`."""
    tests = digest_of(lists.decoded), digest_of(lists.test)
    data = {count: digest_of(path) for count, path in lists.arms.items()}
    whole = min(recipe.count or lists.available, lists.available)
    overrides = [*_common(recipe, base), f"output={recipe.runs}", "seed=0"]
    shared = _shared(recipe.config, overrides) | {"lists": data[whole], "test lists": _digest(tests)}
    runs = []
    for arm, text, seed in keys:
        change = Change.parse(text)
        own_base = base if change.llm is None else None
        common = _common(recipe, own_base)
        if change.llm is not None:
            common += [f"corrector.base={change.llm}", "corrector.lora=null", "initial=null"]
        folder = recipe.runs / f"{_file_name(f'{arm}+{text}' if text else arm)}-{seed}"
        count = change.lists or whole
        # The base may not be there yet; it has the sizes of the model that it is made of.
        overrides = [
            *change.overrides,
            *ARMS[arm],
            f"output={folder}",
            f"seed={seed}",
            f"data.train=[{json.dumps(str(lists.arms[count]))}]",
            *common,
        ]
        config = _resolved(recipe.config, overrides)
        model = own_base.plan["model"] if own_base else config["corrector"]["base"]
        if own := own_overrides(arm, config, model, lists.test):
            config = _resolved(recipe.config, [*overrides, *own])
        # Where there is no noise there is no gate that could start elsewhere.
        start = {} if config["corrector"]["variant"] == "ger" else change.start
        plan = _start(config, folder, start) | {
            "arm": arm,
            "change": text,
            "seed": seed,
            "trained": arm != UNTRAINED,
            "guard": GUARD,
            "test": str(lists.test),
            "decoded": str(lists.decoded),
            "cache": str(recipe.cache),
            "shared": shared,
        }
        weights = own_base.plan["digest"] if own_base else config["corrector"]["base"]
        started = [_lora_digest(plan["lora_of"]), plan["start"]]
        plan["digest"] = _digest(_settings(config), data[count], tests, weights, started, GUARD, arm)
        runs.append(Run(folder, config, plan))
    return runs


def on_base(runs: Iterable[Run], recipe: Recipe, base: Run | None) -> list[Run]:
    """The runs of the arms, bound to what is in the base: known once it is there, and not again the same elsewhere."""
    model = (
        str(base.folder / "llm")
        if base
        else _resolved(recipe.config, _common(recipe, None))["corrector"]["base"]
    )
    digest = _model_digest(model)
    return [
        settled(replace(run, plan=run.plan | {"shared": run.plan["shared"] | {"base": digest}}))
        for run in runs
    ]


def run_keys(needed: Iterable[tuple[str, str]], changes: str, seeds: Sequence[int]) -> list[RunKey]:
    """The keys of the trainings of pairs of arm and change, seed by seed, each once.

    So what is there when time runs out is a smaller table and not half of one.
    """
    pairs = list(dict.fromkeys((arm, " ".join(f"{changes} {change}".split())) for arm, change in needed))
    return [
        RunKey(arm, change, seed)
        for seed in seeds
        for arm, change in pairs
        # What is not trained depends on no seed.
        if arm != UNTRAINED or seed == seeds[0]
    ]


def _common(recipe: Recipe, base: Run | None) -> list[str]:
    common = ["data.dev=[]", f"data.cache={recipe.cache}"]
    if base is not None:
        common += [f"corrector.base={base.folder / 'llm'}", "corrector.lora=null", "initial=null"]
    return common


def _shared(config: Path, overrides: Sequence[str]) -> dict[str, str]:
    """Digests of what all arms have in common, but for lists and base: the recipe without change and seed."""
    resolved = _resolved(config, overrides)
    return {
        "recipe": _digest(_settings(resolved), _lora_digest(resolved["initial"])),
        "guard": _digest(GUARD),
        "sentence encoder": _model_digest(resolved["corrector"]["encoder"]),
    }


def _start(config: dict[str, Any], folder: Path, start: dict[str, float]) -> dict[str, Any]:
    """Points `initial` of the configuration to the start that the run writes, where it needs one; says of what."""
    lora_of = config["initial"]
    if lora_of and config["corrector"]["lora"] is None:
        raise InputError("initial: of it the LoRA part alone is taken, and corrector.lora is null; set it")
    config["initial"] = str(folder / START) if lora_of or start else None
    return {"lora_of": lora_of, "start": start}


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.+=,-]+", "_", name)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """What of a configuration its results depend on, but for what the digests of files name.

    Without defaults, so that a key that a later version adds makes no other run of this one.
    """
    from robustger.training.config import TrainingConfig

    changed = TrainingConfig.model_validate(config).model_dump(mode="json", exclude_defaults=True)
    kept = {k: v for k, v in changed.items() if k not in ("output", "data", "initial", "evaluation")}
    kept["corrector"] = {k: v for k, v in changed.get("corrector", {}).items() if k != "base"}
    return kept | {"max_tokens": config["data"]["max_tokens"]}


def _resolved(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    from robustger.training.config import load_training_config

    return load_training_config(path, overrides).model_dump(mode="json")


def _lora_digest(name: str | None) -> str | None:
    """Of the checkpoint whose LoRA part is taken."""
    from robustger.correction.checkpoint import checkpoint_folder

    if name is None:
        return None
    return hashlib.sha256((checkpoint_folder(name) / "adapter.safetensors").read_bytes()).hexdigest()[:16]


def _model_digest(name: str) -> str:
    """Of all files of a model."""
    from robustger.models import resolve_model

    digest = hashlib.sha256()
    for path in sorted(path for path in resolve_model(name).iterdir() if path.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
