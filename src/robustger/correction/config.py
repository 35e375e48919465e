"""The configuration of a corrector: the typed content of a checkpoint's `config.yaml`."""

from __future__ import annotations

import difflib
import reprlib
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from robustger.errors import InputError

ConfigT = TypeVar("ConfigT", bound=BaseModel)

_shown = reprlib.Repr()  # a value in a message may be as long as a file
_shown.maxstring = _shown.maxother = _shown.maxlong = 120

Quantization = Literal["none", "nf4", "int8"]


class Section(BaseModel):
    """A part of a configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraConfig(Section):
    """Low-rank updates (PEFT) beside the noise prompt."""

    r: int = Field(default=16, ge=1)
    alpha: float = Field(default=32.0, gt=0)
    targets: list[str] | Literal["all-linear"] = "all-linear"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class EvidenceWeights(Section):
    """What each kind of evidence counts for the guard `heard`; see `robustger.correction.weighing`."""

    recognizer: float = Field(default=1.0, ge=0, description="of log p(text | audio)")
    second: float = Field(default=0.0, ge=0, description="of log p(text | audio) by a second recognizer")
    language_model: float = Field(
        default=0.0, ge=0, description="of log p(text | list); 0 saves the passes that score the hypotheses"
    )
    prior: float = Field(
        default=0.2, ge=0, description="of log p(text), by the language model without training and list"
    )
    word: float = Field(default=0.0, description="of each word of the text")
    best: float = Field(default=1.0, description="nats for the recognizer's 1-best")
    unheard_word: float = Field(
        default=5.0,
        ge=0,
        description="nats that a word in no hypothesis loses where nobody hears the audio again",
    )
    min_gain: float = Field(default=0.7, description="the least gain in nats with which an edit stays")


class GuardConfig(Section):
    """Chooses a guard and its thresholds; see `robustger.correction.guards.known_guards`."""

    name: str = "none"
    max_edit_rate: float = Field(
        default=0.5,
        ge=0,
        description="`edits`, `margin`, `heard`: the most word edits per word of the 1-best",
    )
    max_deletion_rate: float = Field(
        default=0.5,
        ge=0,
        description="all of these: the largest share of its words that a text may lose; two may always go",
    )
    min_gain: float | None = Field(
        default=None,
        description="`margin`, `heard`: the least gain, in nats, with which an edited stretch stays. None: 0 for "
        "`margin`, and what the weights say for `heard`",
    )
    scored: EvidenceWeights = Field(
        default=EvidenceWeights(), description="`heard`: the weights for lists with the recognizer's scores"
    )
    twice_scored: EvidenceWeights | None = Field(
        default=None,
        description="`heard`: the weights for lists that a second recognizer has scored, too. None: those of `scored`",
    )
    unscored: EvidenceWeights = Field(
        default=EvidenceWeights(recognizer=0.0, language_model=1.0, prior=0.0),
        description="`heard`: the weights for lists without scores",
    )


class CorrectorConfig(Section):
    """Describes a corrector completely, except for its weights.

    Attributes:
        base: language model: a folder, an embedded alias, or a hub name.
        quantization: how the language model's weights are stored: `none`; or `nf4`, 4-bit NormalFloat, or `int8`, which
            both need the extra `quant`.
        variant: `paper`, `released` or `ger`.
        n_best: N; longer lists are cut, shorter ones padded by repeating the last hypothesis.
        first_layer: lowest adapted layer; None takes the default of the variant.
        slots: prompt vectors per layer; None takes N(N-1).
        noise_dimension: width of the sentence encoder.
        extractor: name of the extractor that embeds sentences and words, see `robustger.noise.extractors`.
        encoder: name of the extractor's model.
        noise: where the noise rows come from, in training and in correction alike: `real`, the noise embedding E_LN;
            `utterance` or `token`, one level of it alone (the paper's Table 3); `zero`, `random` or `shuffled`, the
            controls; or `audio`, the embedding of the recognizer's encoder (the paper's "+ audio denoising"), whose
            width `noise_dimension` then is. See `robustger.noise.source`.
        token_unit: what a token of the token-level noise embedding is: `whitespace`, the words between blanks; or
            `asr-token`, the tokens of Whisper. See `robustger.noise.token_units`.
        prompt: name of the prompt template.
        languages: codes of the languages that the corrector was trained on ("en"); lists in other languages are passed
            through without correction.
        normalizer: name of the normalizer that reads lists which come in written form alone, with capitals, punctuation
            or digits. Their transcripts come in the same form. `raw` reads lists unchanged.
        lora: low-rank updates that are trained beside the prompt, or None.
        guard: the guard that is used unless another is asked for.
        skip_agreeing: whether lists whose hypotheses all agree are passed through without the language model.
        max_new_tokens: the most tokens of an answer (the paper: 150). An answer that is longer is dropped, and the
            1-best is kept.
        max_prompt_tokens: lists with a longer prompt keep their 1-best; the source of their transcripts is "too_long".
    """

    base: str = "smollm2-135m"
    quantization: Quantization = "none"
    variant: Literal["paper", "released", "ger"] = "paper"
    n_best: int = Field(default=5, ge=2, le=50)
    first_layer: int | None = Field(default=None, ge=0)
    slots: int | None = Field(default=None, ge=1)
    noise_dimension: int = Field(default=384, ge=1)
    extractor: str = "sbert"
    encoder: str = "minilm"
    noise: Literal["real", "zero", "shuffled", "random", "audio", "utterance", "token"] = "real"
    token_unit: Literal["whitespace", "asr-token"] = "whitespace"
    prompt: str = "compact"
    languages: list[str] = Field(default=["en"], min_length=1)
    normalizer: str = "spoken"
    lora: LoraConfig | None = None
    guard: GuardConfig = GuardConfig()
    skip_agreeing: bool = True
    max_new_tokens: int = Field(default=150, ge=1)
    max_prompt_tokens: int = Field(default=2048, ge=16)


def validate_config(model: type[ConfigT], content: Any, where: str) -> ConfigT:
    """Checks `content` and returns it as a `model`.

    Raises:
        InputError: one line with the key, the value and what was expected.
    """
    if not isinstance(content, dict):
        raise InputError(f"{where}: a mapping of keys to values is needed, not {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])[:200]
        if first["type"] == "extra_forbidden":
            raise InputError(f"{where}: unknown key {key!r}; {_hint(model, key)}") from None
        if first["type"] == "missing":
            raise InputError(f"{where}: {key} is missing") from None
        value = first.get("input")
        raise InputError(f"{where}: {key} = {_shown.repr(value)}: {first['msg'][:200]}") from None


def _hint(model: type[BaseModel], key: str) -> str:
    """Names the known key that is nearest to an unknown one, in its own section or by the same name in another."""
    section, _, name = key.rpartition(".")
    known = [tuple(key.rpartition(".")[::2]) for key in _keys(model)]
    siblings = [other for place, other in known if place == section]
    near = [(section, other) for other in difflib.get_close_matches(name, siblings, n=1)]
    near += [(place, other) for place, other in known if other == name]
    if near:
        return f"did you mean {'.'.join(filter(None, near[0]))!r}?"
    return f"known keys: {', '.join(siblings)}"


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of a configuration, `section.key`, sections included."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                keys += _keys(kind, f"{prefix}{name}.")
    return keys
