"""The recognizer half of a preset: its `recognizer.yaml`, beside the corrector's `config.yaml`.

::

    kind: faster-whisper      # a recognizer's name
    model: whisper-base       # a model's name, or a folder inside the preset's folder
    n: 5                      # hypotheses
    beams: 10                 # width of the beam search; at least n. Default: the recognizer's own way to search
    normalizer: hyporadise    # how hypotheses are written before they are corrected
    options: {dtype: int8}    # anything else that this recognizer takes
    second:                   # the model that scores the hypotheses, too, for each model that may have written them
      whisper-base: whisper-tiny.en
    corrector: whisper        # another preset's corrector, where there is none beside this file

Only `kind` and `model` are required.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from robustger.errors import InputError, MissingModelError
from robustger.models import resolve_model
from robustger.models.short_names import EMBEDDED
from robustger.presets import preset_names, preset_path
from robustger.recognition import RECOGNIZERS, load_recognizer
from robustger.text import NORMALIZERS

if TYPE_CHECKING:
    from robustger.recognition import Recognizer

logger = logging.getLogger(__name__)

SETTINGS = "recognizer.yaml"
_WHISPERS = ("whisper", "faster-whisper")  # kinds that run the same weights


class RecognizerSettings(BaseModel):
    """The recognizer of a preset, with its settings.

    Attributes:
        kind: name of a recognizer: `whisper`, `ctc`, `faster-whisper`.
        model: its weights: a folder, or a name that `robustger.models.resolve_model` takes.
        n: hypotheses per utterance.
        beams: width of the beam search; None leaves it to the recognizer.
        normalizer: name of the normalizer that writes the hypotheses as the corrector knows them.
        options: further keyword arguments of the recognizer's class.
        second: for the name of a recognizer's model, the Whisper model that scores its hypotheses, too; see
            `robustger.recognition.second_recognizer`. Recognizers with other models go without a second one.
        needs_second: whether a second model that is not there is an error; else the first one goes on alone.
        corrector: preset or checkpoint folder whose corrector is used; None is the one beside these settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    model: str = Field(min_length=1)
    n: int = Field(default=5, ge=1, le=50)
    beams: int | None = Field(default=None, ge=1)
    normalizer: str = "raw"
    options: dict[str, JsonValue] = Field(default_factory=dict)
    second: dict[str, str] = Field(default_factory=dict)
    needs_second: bool = False
    corrector: str | None = Field(default=None, min_length=1)

    @property
    def second_model(self) -> str | None:
        """The model that scores the hypotheses, too; None if there is none for this recognizer's model."""
        return self.second.get(self.model) or self.second.get(EMBEDDED.get(self.model, ""))

    def available(self) -> RecognizerSettings:
        """These settings without the second model, with a warning, if it is not there and not needed."""
        if self.second_model is None or self.needs_second:
            return self
        try:
            resolve_model(self.second_model)
        except MissingModelError as error:
            logger.warning("robustger: no second recognizer takes part: %s", error)
            return self.changed({"second": {}})
        return self

    def changed(self, changes: Mapping[str, Any], where: str = "options") -> RecognizerSettings:
        """These settings with some of them changed, checked anew.

        Raises:
            InputError: `where`, the key, and what is wrong with it.
        """
        from robustger.correction.config import validate_config

        settings = validate_config(RecognizerSettings, self.model_dump() | dict(changes), where)
        _check_choices(settings, where)
        return settings

    def chosen(
        self,
        kind: str | None = None,
        model: str | os.PathLike[str] | None = None,
        n: int | None = None,
        beams: int | None = None,
        normalizer: str | None = None,
        second: str | None = None,
    ) -> RecognizerSettings:
        """These settings with the choices of a user; None keeps the setting of the preset.

        `second` names the model that scores the hypotheses, too; "none" goes without it.

        Another kind of recognizer starts without this one's options, and has its model only where both run Whisper.
        More hypotheses than beams widen the search.

        Raises:
            InputError: another kind that needs a model of its own, or a value that is refused.
        """
        changes: dict[str, Any] = {} if model is None else {"model": os.fspath(model)}
        if kind is not None and kind != self.kind:
            if model is None and not {kind, self.kind} <= set(_WHISPERS):
                raise InputError(f"the recognizer {kind!r} needs a model of its own; name it with --model")
            changes |= {"kind": kind, "options": {}, "beams": None}
        if n is not None:
            changes["n"] = n
            changes.setdefault("beams", self.beams and max(self.beams, n))
        changes |= {
            key: value for key, value in (("beams", beams), ("normalizer", normalizer)) if value is not None
        }
        settings = self.changed(changes)
        if second is None:
            return settings
        named = {} if second == "none" else {settings.model: second}
        return settings.changed({"second": named, "needs_second": bool(named)})

    def load(self, **options: Any) -> Recognizer:
        """The recognizer with its weights, and the second one if there is one.

        Args:
            options: of the recognizer's class; they go before those of the settings.

        Raises:
            MissingModelError: the model is neither on this machine nor on a hub that can be reached; the message says
                what else there is.
            InputError: as `robustger.recognition.load_recognizer`.
        """
        first = self._load_first(options)
        second = self.available().second_model
        if second is None:
            return first
        from robustger.recognition.second_recognizer import TwiceHeard, load_second_recognizer

        return TwiceHeard(first, load_second_recognizer(second, options.get("device")))

    def _load_first(self, options: dict[str, Any]) -> Recognizer:
        try:
            return load_recognizer(self.kind, self.model, **(self.options | options))
        except MissingModelError as error:
            is_hub_name = "/" in self.model and not Path(self.model).exists()
            if not is_hub_name or self.kind not in _WHISPERS:
                raise
            raise MissingModelError(
                f"{error}; or name a folder that has weights (--model FOLDER), or take the embedded ones, which work "
                "offline (--model whisper-base)"
            ) from error


def load_preset_recognizer(name: str | os.PathLike[str]) -> RecognizerSettings:
    """The recognizer's settings of a preset; nothing is loaded yet.

    A `model` that is a folder inside the preset's folder comes as its full path.

    Args:
        name: a preset of the package, or a folder with a `recognizer.yaml`.

    Raises:
        InputError: no such preset, or settings that are not valid; the message names the file and the key.
    """
    from robustger.correction.config import validate_config
    from robustger.yaml_files import read_yaml

    folder = preset_folder(name)
    where = str(folder / SETTINGS)
    settings = validate_config(RecognizerSettings, read_yaml(where), where)
    _check_choices(settings, where)
    inside = folder / settings.model
    return settings.model_copy(update={"model": str(inside)}) if os.path.isdir(inside) else settings


def preset_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a preset that holds a recognizer's settings.

    Raises:
        InputError: neither a folder with a `recognizer.yaml` nor a preset that has one.
    """
    folder = preset_path(name, SETTINGS)
    if (folder / SETTINGS).is_file():
        return folder
    known = ", ".join(preset_names(SETTINGS)) or "none"
    if folder.is_dir():
        raise InputError(
            f"{folder}: not a preset with a recognizer: {SETTINGS} is missing; installed presets: {known}"
        )
    raise InputError(f"{name}: no such folder and no such preset with a recognizer; presets: {known}")


def demo_manifest(name: str | os.PathLike[str]) -> Path | None:
    """The manifest of the recordings that demonstrate a preset, `demo/demo.jsonl`; None if the preset has none."""
    try:
        path = preset_folder(name) / "demo" / "demo.jsonl"
    except InputError:
        return None
    return path if path.is_file() else None


def _check_choices(settings: RecognizerSettings, where: str) -> None:
    for key, registry in (("kind", RECOGNIZERS), ("normalizer", NORMALIZERS)):
        try:
            registry.get(getattr(settings, key))
        except InputError as error:
            raise InputError(f"{where}: {key}: {error}") from None
    if settings.beams is not None and settings.beams < settings.n:
        raise InputError(
            f"{where}: beams = {settings.beams}: n = {settings.n} hypotheses need at least as many beams"
        )
