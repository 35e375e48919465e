"""Picks a variant by its name, for every choice that a user has; other packages can add variants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from robustger.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Choice = TypeVar("Choice")


class Registry(Generic[Choice]):
    """Named choices of one kind (normalizers, guards, extractors, ...).

    Args:
        kind: what is chosen, in the singular, as error messages call it.
        group: the group of entry points through which other packages add choices, such as "robustger.guards"; None
            keeps other packages out. The package is imported when its choice is asked for and not before.

    Example:
        A package adds a recognizer by these lines of its pyproject.toml::

            [project.entry-points."robustger.recognizers"]
            parrot = "parrot.recognizer:ParrotRecognizer"
    """

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self._choices: dict[str, Choice] = {}

    def register(self, name: str) -> Callable[[Choice], Choice]:
        """Decorator that files a choice under `name`."""

        def decorate(choice: Choice) -> Choice:
            self._choices[name] = choice
            return choice

        return decorate

    def get(self, name: str) -> Choice:
        """The choice called `name`. A choice of this package goes before a choice of another package.

        Raises:
            InputError: there is no such choice, and the message lists the known names; or it comes from a package that
                cannot be loaded, and the message names the package.
        """
        if name not in self._choices:
            offered = self._entry_points().get(name, [])
            if not offered:
                known = ", ".join(self.names())
                raise InputError(f"unknown {self.kind} {name!r}; choose one of: {known}")
            self._choices[name] = self._loaded(offered)
        return self._choices[name]

    def names(self) -> list[str]:
        """All names: first the choices of this package, in the order of registration, then those of other packages."""
        return [*self._choices, *(name for name in self._entry_points() if name not in self._choices)]

    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        """The choices that other packages offer, by name."""
        if self.group is None:
            return {}
        from importlib.metadata import entry_points

        offered: dict[str, list[EntryPoint]] = {}
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, entry.value)):
            offered.setdefault(entry.name, []).append(entry)
        return offered

    def _loaded(self, offered: list[EntryPoint]) -> Choice:
        entry = offered[0]
        if len({entry.value for entry in offered}) > 1:
            packages = " and ".join(_package(entry) for entry in offered)
            raise InputError(f"{self.kind} {entry.name!r}: {packages} both offer it; uninstall one of them")
        try:
            return entry.load()
        except Exception as error:  # whatever the code of another package raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(
                f"{self.kind} {entry.name!r}: the package {_package(entry)} cannot be loaded ({reason}); "
                "repair or uninstall it"
            ) from error


def _package(entry: EntryPoint) -> str:
    return "of unknown name" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
