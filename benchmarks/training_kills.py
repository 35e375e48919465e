"""Kills `robustger train` at random moments until it was killed N times:

    python benchmarks/training_kills.py LISTS [N [SEED]]

The laboratory's language model learns from the first lists of LISTS (a JSONL with embeddings of noisy and clean audio
beside it, as the laboratory's), with noise embeddings and distillation, in 48 steps with a checkpoint after every
second. A run is killed with SIGKILL, at a moment drawn uniformly over the time of an undisturbed run, and is started
again until it comes to its end. Then all its files, the adapter and the states of the optimizers among them, must have
the bytes of the undisturbed run. Every run is the real command in a process of its own, forked from one in which the
libraries are imported already.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.killing import KilledRun, kill_and_compare

LISTS = 96
BATCH = 2
STEPS = LISTS // BATCH
STATE = Path("last", "training_state", "state.json")


def write_data(source: Path, folder: Path) -> None:
    """The first lists, in an order of their own, beside a link to the embeddings that they name."""
    from robustger.hypotheses import load_nbest, save_nbest

    chosen = load_nbest(source)[:LISTS]
    save_nbest(chosen, folder / "lists.jsonl")
    for name in {str((nbest.audio_embedding or {})["file"]) for nbest in chosen}:
        (folder / name).symlink_to((source.parent / name).resolve())


def write_config(folder: Path, output: Path) -> Path:
    import yaml

    config = {
        "output": str(output),
        "corrector": {"base": "lab-lm", "variant": "paper", "prompt": "compact"},
        "data": {"train": [str(folder / "lists.jsonl")]},
        "optimization": {"epochs": 1, "batch_size": BATCH, "micro_batch_size": BATCH, "adapter_lr": 1e-2},
        "distillation": {"objective": "paper"},
        "evaluation": {"every_steps": 2},
    }
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def results(folder: Path) -> dict[str, bytes]:
    """Everything a run leaves, but for what names its folder or the hour."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "training.yaml" and "tensorboard" not in path.parts
    }


def main() -> None:
    # What every run imports. Nothing is computed here: the threads of a pool would not live on in a child.
    import transformers.models.llama.modeling_llama  # noqa: F401

    import robustger.training.loop  # noqa: F401

    killed_at: list[int] = []  # steps on record at every kill
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        write_data(Path(sys.argv[1]).resolve(), data)

        def new_run(name: str) -> KilledRun:
            config = write_config(data, data / name)
            return KilledRun(("train", str(config)), config.with_suffix(".log"), lambda: results(data / name))

        def on_kill(name: str) -> None:
            state = data / name / STATE
            killed_at.append(json.loads(state.read_text("utf-8"))["step"] if state.exists() else 0)

        counts = kill_and_compare(
            new_run,
            int(sys.argv[2]) if len(sys.argv) > 2 else 30,
            int(sys.argv[3]) if len(sys.argv) > 3 else 0,
            on_kill=on_kill,
        )
    about = {"benchmark": "training kills", "steps": STEPS, "killed_at": killed_at}
    print(json.dumps(about | counts.to_dict()), flush=True)
    sys.exit(1 if counts.different or counts.failed else 0)


if __name__ == "__main__":
    main()
