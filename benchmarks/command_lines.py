"""Generated command lines, run in this process."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.mutation import Files, Reader, silent
from benchmarks.mutation_seeds import CONFIGS, CORRECTIONS, FOREIGN, LISTS, MANIFESTS

_VALUES = (
    *(
        "lists.jsonl",
        "texts.jsonl",
        "manifest.jsonl",
        "manifest.csv",
        "data.json",
        "training.yaml",
        "data.yaml",
        ".",
    ),
    *(
        "missing",
        "missing/file",
        "-",
        "",
        "--",
        "-1",
        "0",
        "1",
        "2",
        "1e9",
        "nan",
        "inf",
        "0.5",
        "5,x",
        "0,5,10",
        "a=b",
    ),
    *(
        "number",
        "raw",
        "whisper",
        "lab",
        "none",
        "espnet",
        "nemo",
        "kaldi",
        "hyporadise",
        "mbr",
        "rover",
        "format-only",
    ),
    *(
        "noizeus",
        "chime4",
        "librispeech",
        "table1",
        "diversity",
        "all",
        "cpu",
        "cuda:99",
        "auto",
        "en",
        "srt",
        "json",
    ),
    *(
        "snr_db",
        "snr_db:1,x",
        "length",
        "noise",
        "optimization.epochs=0",
        "corrector.base=",
        "ü",
        "\n",
        "a" * 3000,
    ),
    *(
        "\u2028",
        "$HOME",
        "~",
        "/dev/null",
        "out",
        "out.jsonl",
        "lists.jsonl/x",
        "../x",
        "audio.wav",
        "[",
        "{}",
        "%s",
    ),
)
_LOOKING = ("--dry-run", "--plan", "--cached", "--list", "--json", "--help")
# Commands whose work takes long or leaves the machine are only given what they refuse or show.
_ONLY_LOOKS = {"experiment": ("--plan", "--list"), "train": ("--dry-run",), "demo": ("--help",)}


def _prepare() -> dict[str, list[str]]:
    """The options of each command, by its name; keeps commands from models and the network."""
    import socket

    import typer.main
    from transformers import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoTokenizer,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

    from robustger import models
    from robustger.cli import app
    from robustger.models import resolve

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("no model is loaded here")

    for loader in (AutoConfig, AutoFeatureExtractor, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase):
        loader.from_pretrained = refuse  # type: ignore[method-assign]
    socket.socket.connect = refuse  # type: ignore[method-assign]
    models.fetch_model = resolve.resolve_model
    group: Any = typer.main.get_command(app)
    found: dict[str, list[str]] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        parts = {f"{name} {sub}": one for sub, one in inner.items()} if inner else {name: command}
        for path, one in parts.items():
            found[path] = [
                option for parameter in one.params for option in parameter.opts if option.startswith("-")
            ]
    return found


_options: dict[str, list[str]] = {}


def generate(seeds: Sequence[Files], draw: random.Random) -> Files:
    """Files to name, and a command line, one argument a line in the file `arguments`."""
    if not _options:
        _options.update(_prepare())
    command = draw.choice(sorted(_options))
    arguments = command.split()
    pieces = [draw.choice(_VALUES) for _ in range(draw.choice((0, 1, 1, 1, 2, 3)))]
    for _ in range(draw.randint(0, 4)):
        option = draw.choice(_options[command] or ["--help"])
        pieces.append(
            draw.choice((option, f"{option}\0{draw.choice(_VALUES)}", f"{option}\0{draw.choice(_VALUES)}"))
        )
    if draw.random() < 0.1:
        pieces.append(draw.choice((*_LOOKING, "--nonsense", "-x")))
    draw.shuffle(pieces)
    pieces += [looking] if (looking := draw.choice(_ONLY_LOOKS.get(command.split()[0], ("",)))) else []
    arguments += [part for piece in pieces for part in piece.split("\0")]
    return {**draw.choice(seeds), "arguments": "\0".join(arguments).encode()}


def read(folder: Path) -> tuple[Any, Sequence[str]]:
    """Runs the command line in the folder, and judges how it ends.

    Returns:
        the exit code, and what was printed to say what is wrong.
    """
    from robustger.cli import app, endings

    arguments = (folder / "arguments").read_bytes().decode().split("\0")
    (folder / "arguments").unlink()
    before = Path.cwd()
    os.chdir(folder)
    stdin = sys.stdin
    try:
        with silent() as printed, open("lists.jsonl", encoding="utf-8") as file:
            sys.stdin = file
            try:
                endings.run(app, arguments)
            except SystemExit as stop:
                code = stop.code
            sys.stdout.flush()
            sys.stderr.flush()
            lines = printed.read_text(encoding="utf-8", errors="replace").splitlines()
    finally:
        sys.stdin = stdin
        os.chdir(before)
    if code not in (0, 1, 2):
        raise AssertionError(f"exit code {code} of {arguments}: {lines[-1:]}")
    if any(line.startswith("Traceback") for line in lines):
        raise AssertionError(f"traceback of {arguments}")
    errors = [line for line in lines if line.startswith("robustger: error: ")]
    if code == 2 and len(errors) != 1:
        raise AssertionError(f"{len(errors)} error lines of {arguments}")
    return code, [line for line in lines if line.startswith("robustger: ")] if code else ()


_SEED = {
    **LISTS[0],
    **CORRECTIONS[0],
    **MANIFESTS["jsonl"][0],
    **MANIFESTS["csv"][0],
    **FOREIGN["hyporadise"][0],
}
_SEED |= {**CONFIGS["training"][0], "data.yaml": b"tests: {car: [lists.jsonl]}\n", "audio.wav": b"RIFF"}

COMMAND_LINES = Reader("command lines", read, [_SEED], 3, generate)
