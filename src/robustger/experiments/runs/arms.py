"""Turns arms and changes into overrides of the training configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.experiments.experiment import AUDIO_ARM, MATCHED, NGRAMS, TOKEN_EMBEDDING
from robustger.experiments.runs.start import USUAL_START, StartChange
from robustger.hypotheses import stream_nbest

if TYPE_CHECKING:
    from robustger.correction.config import CorrectorConfig

_STARTS = {f"start.{name}": name for name in ("noise_gate", "tuner_scale")}


@dataclass(frozen=True, slots=True)
class Change:
    """What a training changes in the recipe.

    Attributes:
        text: the change as it was given; empty for none.
        overrides: for the training configuration.
        start: how the training's start differs.
        lists: the number of lists; None leaves it as it is.
        llm: the language model; None takes the shared base.
    """

    text: str = ""
    overrides: tuple[str, ...] = ()
    start: StartChange = USUAL_START
    lists: int | None = None
    llm: str | None = None

    @classmethod
    def parse(cls, text: str) -> Change:
        """From `KEY=VALUE [KEY=VALUE ...]`.

        Raises:
            InputError: the value of `lists` or of `start.*` is not a number.
        """
        overrides: list[str] = []
        start: dict[str, float] = {}
        lists, llm = None, None
        for part in text.split():
            key, _, value = part.partition("=")
            try:
                if key == "lists":
                    lists = int(value)
                elif key == "llm":
                    llm = value
                elif key in _STARTS:
                    start[_STARTS[key]] = float(value)
                else:
                    overrides.append(part)
            except ValueError:
                raise InputError(f"--set {part}: a number is needed") from None
        return cls(" ".join(text.split()), tuple(overrides), StartChange.from_dict(start), lists, llm)


def own_overrides(arm: str, config: CorrectorConfig, model: str, lists: Path) -> tuple[str, ...]:
    """The overrides of an arm that depend on the language model or on the lists, beside those in `ARMS`.

    Args:
        arm: a name in `ARMS`.
        config: the corrector's configuration after the overrides in `ARMS`.
        model: the language model, or one of the same sizes.
        lists: a file of lists whose audio was embedded like that of the lists the arm learns from.
    """
    own: dict[str, Callable[[], tuple[str, ...]]] = {
        MATCHED: lambda: matched(config, model),
        AUDIO_ARM: lambda: (f"corrector.noise_dimension={_audio_width(lists)}",),
        TOKEN_EMBEDDING: lambda: (
            f"corrector.encoder={model}",
            f"corrector.noise_dimension={_llm_config(model).hidden_size}",
        ),
        NGRAMS: lambda: (f"corrector.encoder=hashed-{config.noise_dimension}",),
    }
    return own[arm]() if arm in own else ()


def matched(config: CorrectorConfig, model: str) -> tuple[str, ...]:
    """The overrides that turn a configuration into a `ger` with as many parameters on the same layers.

    Args:
        config: of a corrector of any variant.
        model: the language model, or one of the same sizes.
    """
    import torch

    from robustger.correction.llm.adapter import ADAPTERS, AdapterShape, matched_slots

    adapter = ADAPTERS.get(config.variant)
    llm = _llm_config(model)
    first = adapter.first_layer if config.first_layer is None else config.first_layer
    first = min(first, llm.num_hidden_layers - 1)
    shape = AdapterShape(
        layers=llm.num_hidden_layers - first,
        slots=config.slots or config.n_best * (config.n_best - 1),
        width=llm.hidden_size,
        heads=llm.num_attention_heads,
        key_value_heads=llm.num_key_value_heads,
        head_dimension=getattr(llm, "head_dim", None) or llm.hidden_size // llm.num_attention_heads,
        noise_dimension=config.noise_dimension,
    )
    with torch.device("meta"):
        slots = matched_slots(adapter(shape))
    return ("corrector.variant=ger", f"corrector.first_layer={first}", f"corrector.slots={slots}")


def _llm_config(model: str) -> Any:
    from robustger.models import resolve_model
    from robustger.models.loading import load_pretrained

    return load_pretrained("AutoConfig", resolve_model(model)).get_text_config()


def _audio_width(lists: Path) -> int:
    from robustger.hypotheses.audio_embeddings import AudioEmbeddings

    first = next(nbest for nbest in stream_nbest(lists) if nbest.audio_embedding)
    embedding = AudioEmbeddings(lists.parent).get(first, "noisy")
    assert embedding is not None  # lists without an embedding are left out
    return len(embedding)
