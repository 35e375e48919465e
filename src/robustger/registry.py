"""One way to pick a variant by name, used for every choice a user may vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from robustger.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named choices of one kind (normalizers, guards, extractors, ...).

    Args:
        kind: what is chosen, in the singular, as error messages call it.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._choices: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files a choice under `name`."""

        def decorate(choice: T) -> T:
            self._choices[name] = choice
            return choice

        return decorate

    def get(self, name: str) -> T:
        """The choice called `name`.

        Raises:
            InputError: no such choice; the message lists the known names.
        """
        try:
            return self._choices[name]
        except KeyError:
            known = ", ".join(self.names())
            raise InputError(f"unknown {self.kind} {name!r}; choose one of: {known}") from None

    def names(self) -> list[str]:
        """All names, in the order of registration."""
        return list(self._choices)
