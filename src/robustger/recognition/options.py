"""Checks the options of a recognizer's constructor against its annotations."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from pydantic import ConfigDict, ValidationError, validate_call

from robustger.errors import InputError

P = ParamSpec("P")
Self = TypeVar("Self")

# No conversions: values from YAML have their types already, and `true` is no number.
_CONFIG = ConfigDict(strict=True, arbitrary_types_allowed=True)


def checked_options(
    init: Callable[Concatenate[Self, P], None],
) -> Callable[Concatenate[Self, P], None]:
    """Decorates a constructor so that a value that its annotations do not allow raises an InputError naming the option.

    Ranges belong to the annotations: `Annotated[float, Field(gt=0)]`.
    """

    @wraps(init)
    def checked(self: Self, /, *args: P.args, **options: P.kwargs) -> None:
        try:
            validated(self, *args, **options)
        except ValidationError as error:
            details = error.errors(include_url=False)
            key, value = details[0]["loc"][0], details[0]["input"]
            # pydantic reports one detail for each alternative of a union.
            expected = " or ".join(
                dict.fromkeys(detail["msg"] for detail in details if detail["loc"][0] == key)
            )
            raise InputError(f"option {key} = {value!r}: {expected}") from None

    validated = validate_call(config=_CONFIG)(init)
    return checked
