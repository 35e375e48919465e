"""Reads YAML that a user or a stranger wrote: no code is run, and no small file grows large.

YAML allows a node to be named (`&a`) and used again (`*a`). A few nested uses stand for more values than fit into any
memory, so the values are counted before they are built. A key that is given twice is an error; PyYAML would keep the
last value and say nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from robustger.errors import InputError
from robustger.files import open_binary, shown_name

MAX_BYTES = 4 << 20
MAX_EXPANDED = 4 * MAX_BYTES  # values and characters, with every use of an alias counted
MAX_DEPTH = 100  # levels of collections
_MERGE = "tag:yaml.org,2002:merge"  # the key "<<"
_REASON_CHARACTERS = 200


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file.

    Args:
        path: a UTF-8 file.

    Raises:
        InputError: the file cannot be read or is too large, is not YAML, gives a key twice, or has aliases that stand
            for too many values.
    """
    try:
        with open_binary(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{shown_name(path)}: cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB; a file of settings is small")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: not UTF-8 text") from None
    return parse_yaml(text, f"{path}:")


def parse_yaml(text: str, where: str) -> Any:
    """The value that a YAML text stands for.

    Args:
        text: a whole YAML document.
        where: the beginning of error messages, such as "config.yaml:" or "--set a=b:".

    Raises:
        InputError: as for `read_yaml`.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            return None
        if _expanded_size(root, {}) > MAX_EXPANDED:
            raise InputError(f"{where} its aliases stand for too many values; write the values out")
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except RecursionError:
        raise InputError(f"{where} nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        reason = problem if isinstance(error, _BadMapping) else f"not valid YAML: {problem}"
        raise InputError(f"{where}{line} {reason[:_REASON_CHARACTERS]}") from None


class _Loader(yaml.SafeLoader):
    """Composes a document that is not nested deeply; for thousands of levels, the time would grow with their square."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RecursionError
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _BadMapping(yaml.MarkedYAMLError):
    """A mapping gives a key twice, or a collection contains itself."""


def _expanded_size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Counts the characters and values below a node, once for every use of an alias.

    Args:
        node: from the composer; an alias is the very node that it names.
        known: the sizes of the nodes that were counted before, by identity; None for those that are being counted.

    Raises:
        _BadMapping: a mapping gives a key twice, or a collection contains itself.
    """
    if id(node) not in known:
        known[id(node)] = None
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicate_keys(node)
            children = [part for pair in node.value for part in pair]
        else:
            children = node.value if isinstance(node, yaml.SequenceNode) else []
        own = 1 + len(node.value)
        known[id(node)] = own + sum(_expanded_size(child, known) for child in children)
    size = known[id(node)]
    if size is None:
        raise _BadMapping(problem="a collection contains itself", problem_mark=node.start_mark)
    return size


def _refuse_duplicate_keys(mapping: yaml.MappingNode) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in first:
            line = first[key.tag, key.value]
            problem = (
                f"the key {key.value[:60]!r} is given twice, first in line {line}; remove one of the two"
            )
            raise _BadMapping(problem=problem, problem_mark=key.start_mark)
        first[key.tag, key.value] = key.start_mark.line + 1
