"""Options that had another name in version 0.1; the old names work for one more release, with a notice."""

from __future__ import annotations

from collections.abc import Sequence

RENAMED: dict[str, dict[str, str]] = {
    "nbest": {"--batch": "--batch-size"},
    "mix": {"-n": "--noise"},
    "evaluate": {"-n": "--normalizer", "--words": "--top-words"},
}


def with_current_names(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Replaces the old names of options.

    Args:
        arguments: what the user typed behind `robustger`.

    Returns:
        the arguments with current names, and a notice for each name that was replaced.
    """
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    names = RENAMED.get(command, {})
    result, notices = [], []
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[position:]], notices
        name, equals, value = argument.partition("=")
        if name in names:
            notices.append(f"{name} is now called {names[name]}; the old name goes away in the next release")
            argument = names[name] + equals + value
        result.append(argument)
    return result, notices
