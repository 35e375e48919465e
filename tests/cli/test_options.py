"""The command line as one language: the same option means the same in every command, and help is for strangers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperOption
from typer.main import get_command

from robustger.cli import app, options
from robustger.cli.renamed import RENAMED, with_current_names


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its name; those of `robustger models` have names of two words."""
    root: Any = get_command(app)
    for name, command in root.commands.items():
        for inner, one in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", one
        if not hasattr(command, "commands"):
            yield name, command


COMMANDS = dict(commands())


def options_of(command: str) -> dict[str, TyperOption]:
    """The options of a command, by each of their names."""
    found = {}
    for parameter in COMMANDS[command].params:
        if isinstance(parameter, TyperOption):
            found |= dict.fromkeys([*parameter.opts, *parameter.secondary_opts], parameter)
    return found


def test_a_letter_stands_for_one_option_in_all_commands() -> None:
    meanings = defaultdict(set)
    for command in COMMANDS:
        for name, option in options_of(command).items():
            if not name.startswith("--"):
                longest = max(option.opts, key=len)
                meanings[name].add(longest)
    assert meanings == {
        "-o": {"--output"},
        "-n": {"-n"},
        "-f": {"--format"},
        "-c": {"--corrections"},
        "-s": {"--split"},
    }
    assert {command for command in COMMANDS if "-n" in options_of(command)} == {
        "nbest",
        "serve",
        "transcribe",
    }


# The options whose value differs from command to command, each for a reason.
DIFFERENT = {
    "--base": "experiment may also train the language model first",
    "--batch-size": "nbest saves its progress after a fixed number; correct also takes auto",
    "--checkpoint": "experiment compares several",
    "--format": "recordings, transcripts, and the lists of other programs have formats of their own",
    "--normalizer": "evaluate counts in several forms",
    "--output": "a file, a folder, or either",
    "--recipe": "of mixtures, or of trainings",
    "--split": "of a corpus, or of noises",
}


def test_options_of_one_name_take_the_same_values() -> None:
    kinds = defaultdict(set)
    for command in COMMANDS:
        for name, option in options_of(command).items():
            kinds[name].add((option.metavar, option.multiple, option.is_flag))
    found = {name for name, values in kinds.items() if len(values) > 1 and name.startswith("--")}
    assert found == set(DIFFERENT)


@pytest.mark.parametrize("name", ["--preset", "--device", "--guard", "--json", "--restart", "--quantization"])
def test_shared_options_have_one_help(name: str) -> None:
    helps = {found[name].help for command in COMMANDS if name in (found := options_of(command))}
    assert len(helps) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_made_of_sentences(command: str) -> None:
    for parameter in COMMANDS[command].params:
        text = parameter.help
        assert text, f"{command} {parameter.opts}: no help"
        assert text[0].isupper() or text.split(":")[0] in FORMATS, f"{command} {parameter.opts}: {text}"
        assert text.endswith("."), f"{command} {parameter.opts}: {text}"
    assert (COMMANDS[command].help or "").split("\n")[0].endswith(".")


FORMATS = ("nemo", "kaldi", "robusthp")  # an option of import-nbest begins with the format it belongs to


@pytest.mark.parametrize("command", ["nbest", "transcribe", "correct"])
def test_help_begins_with_what_everybody_needs(command: str) -> None:
    panels = [getattr(parameter, "rich_help_panel", None) for parameter in COMMANDS[command].params]
    known = [None, options.RECOGNITION, options.CORRECTION, options.SPEED, options.RARE]
    order = [known.index(panel) for panel in panels[: panels.index(options.RARE)] if panel is not None]
    assert order == sorted(order)
    assert panels[0] is None
    assert options_of(command)["--output"].rich_help_panel is None
    assert options_of(command)["--preset"].rich_help_panel is None


def test_a_threshold_can_be_set_wherever_another_can() -> None:
    thresholds = ["--max-edit-rate", "--max-deletion-rate", "--min-gain"]
    having = {name: {c for c in COMMANDS if name in options_of(c)} for name in thresholds}
    assert all(found == {"correct", "serve", "transcribe"} for found in having.values())
    assert {command for command in COMMANDS if "--guard" in options_of(command)} == {
        *("correct", "serve", "transcribe")
    }


def test_commands_that_print_for_people_print_json_too() -> None:
    assert {command for command in COMMANDS if "--json" in options_of(command)} == {
        "evaluate",
        "models list",
        "corpus",
        "doctor",
        "experiment",
    }


def test_old_names_work_with_a_notice(robustger) -> None:
    for command, names in RENAMED.items():
        for old, new in names.items():
            assert new in options_of(command)
            assert old not in options_of(command)
    found, notices = with_current_names(["nbest", "a", "--batch=4", "--batch", "5", "--", "--batch"])
    assert found == ["nbest", "a", "--batch-size=4", "--batch-size", "5", "--", "--batch"]
    assert len(notices) == 2
    assert with_current_names(["transcribe", "a", "-n", "5", "--words"])[1] == []
    result = robustger("evaluate", "none.jsonl", "-n", "raw")
    notice, error = result.err.splitlines()
    assert notice == "robustger: -n is now called --normalizer; the old name goes away in the next release"
    assert error.startswith("robustger: error: none.jsonl: cannot be read")


def test_without_a_command_it_says_how_to_start(robustger) -> None:
    result = robustger()
    assert (result.code, result.err) == (0, "")
    assert len(result.out.splitlines()) == 3
    assert "robustger demo" in result.out
    assert "robustger --help" in result.out
    assert "doctor" not in result.out


def test_help_groups_the_commands(robustger) -> None:
    found = robustger("--help").out
    panels = re.findall(r"─ ([A-Z][a-z ]+) ─", found)
    assert panels == ["Options", "Transcribe and correct", "Make data", "Train and experiment", "Look"]
    assert robustger("models").out == robustger("models", "--help").out
