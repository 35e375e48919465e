"""Which runs the grid has: every arm, under every change, with every seed, and the base that they share."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grid_base import STARTS
from grid_lists import ListFiles, digest_of
from grid_process import PLAN, RESULTS, is_done

from robustger.errors import InputError

UNTRAINED, MATCHED = "untrained", "ger-matched"
ARMS: dict[str, tuple[str, ...]] = {
    UNTRAINED: ("corrector.variant=ger",),  # what all others start from
    "ger": ("corrector.variant=ger",),
    MATCHED: (),  # as `ger`, with as many parameters as `robustger`; see `matched`
    "robustger": (),
    "mine-paper": ("distillation.objective=paper",),
    "mine-released": ("distillation.objective=released",),
    "teacher-student": ("distillation.objective=teacher_student",),
    "contrastive": ("distillation.objective=contrastive",),
    "zero": ("corrector.noise=zero",),
    "shuffled": ("corrector.noise=shuffled",),
    "random": ("corrector.noise=random",),
}
GUARD = {"name": "margin", "min_gain": 2.25, "max_edit_rate": 1.0}  # the preset whisper's, not tuned here


@dataclass(frozen=True, slots=True)
class Run:
    """One process of the grid.

    Attributes:
        folder: of the run.
        script: what runs there.
        config: content of its training.yaml; None where nothing is trained.
        plan: content of its run.json; `digest` names all that the results depend on, `shared` what all arms of a grid
            have in common, by name.
    """

    folder: Path
    script: str
    config: dict[str, Any] | None
    plan: dict[str, Any]

    @property
    def done(self) -> bool:
        return is_done(self.folder, self.plan["digest"])


@dataclass(frozen=True, slots=True)
class Change:
    """What an arm differs in from the arm of the same name without it.

    Attributes:
        text: as it was given; empty for none.
        overrides: for the training configuration.
        start: for `grid_base.write_start`.
        lists: number of lists, where it is another.
    """

    text: str = ""
    overrides: tuple[str, ...] = ()
    start: dict[str, float] = field(default_factory=dict)
    lists: int | None = None

    @classmethod
    def parse(cls, text: str) -> Change:
        """From `KEY=VALUE [KEY=VALUE ...]`.

        Raises:
            InputError: a key of the grid's own has a value that is no number.
        """
        overrides, start, lists = [], {}, None
        for part in text.split():
            key, _, value = part.partition("=")
            try:
                if key == "lists":
                    lists = int(value)
                elif key in {f"start.{name}" for name in STARTS}:
                    start[key.removeprefix("start.")] = float(value)
                else:
                    overrides.append(part)
            except ValueError:
                raise InputError(f"--set {part}: a number is needed") from None
        return cls(" ".join(text.split()), tuple(overrides), start, lists)


def matched(config: dict[str, Any], model: str) -> tuple[str, ...]:
    """Overrides that make of a configuration, of any variant, the `ger` with as many parameters, on the same layers."""
    import torch
    from transformers import AutoConfig

    from robustger.correction.adapter import ADAPTERS, AdapterShape, matched_slots
    from robustger.models import resolve_model

    corrector = config["corrector"]
    adapter = ADAPTERS.get(corrector["variant"])
    llm = AutoConfig.from_pretrained(resolve_model(model)).get_text_config()
    first = corrector["first_layer"]
    first = min(adapter.first_layer if first is None else first, llm.num_hidden_layers - 1)
    n_best = corrector["n_best"]
    shape = AdapterShape(
        layers=llm.num_hidden_layers - first,
        slots=corrector["slots"] or n_best * (n_best - 1),
        width=llm.hidden_size,
        heads=llm.num_attention_heads,
        key_value_heads=llm.num_key_value_heads,
        head_dimension=getattr(llm, "head_dim", None) or llm.hidden_size // llm.num_attention_heads,
        noise_dimension=corrector["noise_dimension"],
    )
    with torch.device("meta"):
        slots = matched_slots(adapter(shape))
    return ("corrector.variant=ger", f"corrector.first_layer={first}", f"corrector.slots={slots}")


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


def _resolved(path: str | Path, overrides: Sequence[str]) -> dict[str, Any]:
    from robustger.training.config import load_training_config

    return load_training_config(path, overrides).model_dump(mode="json")


def _lora_digest(name: str | None) -> str | None:
    """Of the checkpoint whose LoRA part is taken."""
    from robustger.correction.checkpoint import checkpoint_folder

    if name is None:
        return None
    return hashlib.sha256((checkpoint_folder(name) / "adapter.safetensors").read_bytes()).hexdigest()[:16]


def plan_base(arguments: argparse.Namespace, lists: ListFiles) -> Run | None:
    """The run that makes the shared language model; None where the arms take that of their configuration."""
    from robustger.correction.checkpoint import checkpoint_folder, read_config

    folder = arguments.output / "base"
    common = [f"output={folder}", f"data.train=[{json.dumps(str(lists.base))}]"]
    if arguments.base == "none":
        return None
    if arguments.base != "train":
        digest = _digest("merged", _lora_digest(arguments.base))
        model = read_config(checkpoint_folder(arguments.base)).base
        plan = {"digest": digest, "checkpoint": arguments.base, "model": model}
        return Run(folder, "grid_base.py", None, plan)
    config = _resolved(arguments.base_config, common)
    plan = _start(config, folder, {}) | {"checkpoint": None, "model": config["corrector"]["base"]}
    digest = _digest("trained", _settings(config), digest_of(lists.base), _lora_digest(plan["lora_of"]))
    return Run(folder, "grid_base.py", config, plan | {"digest": digest})


def _start(config: dict[str, Any], folder: Path, start: dict[str, float]) -> dict[str, Any]:
    """Points `initial` of the configuration to the start that the run writes, where it needs one; says of what."""
    lora_of = config["initial"]
    if lora_of and config["corrector"]["lora"] is None:
        raise InputError(
            "initial: the grid takes the LoRA part of it alone, and corrector.lora is null; set it"
        )
    config["initial"] = str(folder / "start") if lora_of or start else None
    return {"lora_of": lora_of, "start": start}


def run_keys(arguments: argparse.Namespace) -> list[tuple[str, str, int]]:
    """Arm, change and seed of all runs, in the order in which they are to be done: seed by seed."""
    changes = [Change(), *map(Change.parse, arguments.set)]
    return [
        (arm, change.text, seed)
        for seed in arguments.seeds
        for change in changes
        for arm in arguments.arms
        # What is not trained depends on no seed and no change.
        if arm != UNTRAINED or (seed == arguments.seeds[0] and not change.text)
    ]


def plan_arms(arguments: argparse.Namespace, lists: ListFiles, base: Run | None) -> list[Run]:
    """All runs of the arms, in the order in which they are to be done; what is in the base is left to `on_base`."""
    tests = digest_of(lists.decoded), digest_of(lists.test)
    data = {count: digest_of(path) for count, path in lists.arms.items()}
    common = ["data.dev=[]", f"data.cache={arguments.output / 'cache'}"]
    if base is not None:
        common += [f"corrector.base={base.folder / 'llm'}", "corrector.lora=null", "initial=null"]
    shared = _shared(arguments, [*common, f"output={arguments.output}", "seed=0"])
    shared |= {"lists": data[arguments.lists], "test lists": _digest(tests)}
    runs = []
    for arm, text, seed in run_keys(arguments):
        change = Change.parse(text)
        name = f"{arm}+{text}" if text else arm
        folder = arguments.output / f"{_file_name(name)}-{seed}"
        count = change.lists or arguments.lists
        overrides = [
            *change.overrides,
            *ARMS[arm],
            f"output={folder}",
            f"seed={seed}",
            f"data.train=[{json.dumps(str(lists.arms[count]))}]",
            *common,
        ]
        config = _resolved(arguments.config, overrides)
        if arm == MATCHED:
            # The base may not be there yet; it has the sizes of the model that it is made of.
            model = base.plan["model"] if base else config["corrector"]["base"]
            config = _resolved(arguments.config, [*overrides, *matched(config, model)])
        plan = _start(config, folder, change.start) | {
            "arm": arm,
            "change": text,
            "seed": seed,
            "trained": arm != UNTRAINED,
            "guard": GUARD,
            "test": str(lists.test),
            "decoded": str(lists.decoded),
            "cache": str(arguments.output / "cache"),
            "shared": shared,
        }
        weights = base.plan["digest"] if base else config["corrector"]["base"]
        started = [_lora_digest(plan["lora_of"]), plan["start"]]
        plan["digest"] = _digest(_settings(config), data[count], tests, weights, started, GUARD, arm)
        runs.append(Run(folder, "grid_run.py", config, plan))
    return runs


def _shared(arguments: argparse.Namespace, overrides: Sequence[str]) -> dict[str, str]:
    """Digests of what all arms have in common, but for lists and base: the recipe without change and seed."""
    config = _resolved(arguments.config, overrides)
    return {
        "recipe": _digest(_settings(config), _lora_digest(config["initial"])),
        "guard": _digest(GUARD),
        "sentence encoder": _model_digest(config["corrector"]["encoder"]),
    }


def _model_digest(name: str) -> str:
    """Of all files of a model."""
    from robustger.models import resolve_model

    digest = hashlib.sha256()
    for path in sorted(path for path in resolve_model(name).iterdir() if path.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def on_base(runs: Sequence[Run], arguments: argparse.Namespace, base: Run | None) -> list[Run]:
    """The runs of the arms, bound to what is in the base: known once it is there, and not again the same elsewhere."""
    config = _resolved(arguments.config, [f"output={arguments.output}"])
    digest = _model_digest(str(base.folder / "llm") if base else config["corrector"]["base"])
    return [replace(run, plan=run.plan | {"shared": run.plan["shared"] | {"base": digest}}) for run in runs]


def check_folders(runs: Sequence[Run]) -> None:
    """Keeps results from being mixed with those of another grid.

    A folder of another grid is refused and not done anew: hours of results would go for an option mistyped.

    Raises:
        InputError: a folder holds a run, begun or done, with other settings or data.
    """
    for run in runs:
        for name in (PLAN, RESULTS):
            with contextlib.suppress(FileNotFoundError):
                stored = json.loads((run.folder / name).read_text(encoding="utf-8"))
                expected = run.plan.get("shared", {})
                known = stored.get("shared", {})
                others = [part for part, value in expected.items() if known.get(part) != value]
                if not others and stored["digest"] != run.plan["digest"]:
                    others = ["settings, lists or base"]
                if others:
                    raise InputError(
                        f"{run.folder}: holds a run with other {', '.join(others)}; name another output folder, or "
                        "remove this one"
                    )
