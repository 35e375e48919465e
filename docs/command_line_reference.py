"""Writes docs/reference/cli.md from the commands themselves: python docs/command_line_reference.py

`tests/cli/test_reference.py` fails while the page differs from the commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from robustger.cli import app
from robustger.cli.renamed import RENAMED

PAGE = Path(__file__).parent / "reference" / "cli.md"

HEAD = """\
# Command line

This page is made from the commands: `python docs/command_line_reference.py`. `robustger COMMAND --help` shows the same.

The result goes to stdout, and everything else that a command says goes to stderr. `-` means standard input where a file
is read, and standard output where one is written. With `--json`, a command that prints for people prints the same as
JSON. An output that is one of the inputs, under any name, is refused.
"""

TAIL = """\
## Exit codes

| code | meaning |
|---:|---|
| 0 | all went well |
| 1 | some items were skipped or failed; each is reported on stderr, and the others were done |
| 2 | the input or the options are wrong, the disk is full, or a standard stream is closed; one line says what to do |
| 3 | a bug in robustger; one line says where |
| 130 | interrupted by Ctrl-C; one line says what was kept |

`transcribe`, `nbest`, `correct`, `mix`, `train` and `experiment` go on from there if the same command is started again.

## Environment

| variable | meaning |
|---|---|
| `ROBUSTGER_CACHE` | folder for converted models; default `~/.cache/robustger` |
| `ROBUSTGER_TRACEBACK` | if set, an error that is a bug in robustger shows its traceback |
| `HF_HOME` and others that begin with `HF_` | the Hugging Face cache, as for any program that uses it |
| `ROBUSTGER_DATA` | test data for the test suite; tests that need it are skipped without it |
"""


def page() -> str:
    """The page for the commands as they are."""
    root: Any = typer.main.get_command(app)
    commands = list(_commands(root, "robustger"))
    parts = [HEAD]
    for panel in dict.fromkeys(panel for panel, _, _ in commands):
        parts.append(f"**{panel}**\n")
        rows = [
            f"| [`{name.removeprefix('robustger ')}`](#{name.replace(' ', '-')}) | {_summary(command)} |"
            for its_panel, name, command in commands
            if its_panel == panel
        ]
        parts.append("\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n")
    parts += [_section(name, command) for _, name, command in commands]
    parts.append(_renamed())
    return "\n".join([*parts, TAIL])


def _commands(group: Any, prefix: str, panel: str | None = None) -> Iterator[tuple[str, str, Any]]:
    for name, command in group.commands.items():
        its_panel = panel or command.rich_help_panel
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}", its_panel)
        else:
            yield its_panel, f"{prefix} {name}", command


def _summary(command: Any) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    chosen = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join(one.metavar if one.required else f"[{one.metavar.strip('[]')}]" for one in arguments)
    required = " ".join(f"{max(one.opts, key=len)} {one.metavar}" for one in chosen if one.required)
    parts = [f"## {name}\n", f"`{' '.join(filter(None, [name, usage, required, '[OPTIONS]']))}`\n"]
    parts += [" ".join(paragraph.split()) + "\n" for paragraph in (command.help or "").split("\n\n")]
    if arguments:
        rows = [f"| `{one.metavar.strip('[]')}` | {_text(one)} |" for one in arguments]
        parts.append("\n".join(["| argument | meaning |", "|---|---|", *rows]) + "\n")
    for panel in dict.fromkeys(one.rich_help_panel for one in chosen):
        rows = [f"| {_names(one)} | {_text(one)} |" for one in chosen if one.rich_help_panel == panel]
        parts.append("\n".join([f"| {(panel or 'Options').lower()} | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    choices = "|".join(map(str, getattr(option.type_descriptor, "choices", None) or ()))
    value = "" if option.is_flag else (option.metavar or choices or "N")
    return f"{names} {value}".replace("|", "\\|").strip()


def _text(parameter: Any) -> str:
    default = parameter.default
    shown = "" if default in (None, False, True, [], ()) or callable(default) else f" Default: {default}."
    if parameter.param_type_name == "argument":
        shown = ""
    return f"{parameter.help}{shown}".replace("|", "\\|")


def _renamed() -> str:
    rows = [
        f"| `{command}` | `{old}` | `{new}` |"
        for command, names in RENAMED.items()
        for old, new in names.items()
    ]
    head = "## Old names\n\nThese names still work in this release, with a notice.\n"
    return "\n".join([head, "| command | old name | name |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
