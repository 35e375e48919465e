"""What can be trained: the arms of an experiment, and what they need of the lists and the language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.experiments.runs.start import STARTS
from robustger.hypotheses import stream_nbest

UNTRAINED, MATCHED = "untrained", "ger-matched"
AUDIO, TOKEN_EMBEDDING, NGRAMS = "audio-denoising", "token-embedding", "ngrams"
NONE = "distillation.objective=none"
ARMS: dict[str, tuple[str, ...]] = {
    UNTRAINED: (NONE, "corrector.variant=ger"),  # what all others start from
    "ger": (NONE, "corrector.variant=ger"),
    MATCHED: (NONE,),  # as `ger`, with as many parameters as `robustger`; see `matched`
    "robustger": (NONE,),  # E_LN without distillation
    "mine-paper": ("distillation.objective=paper",),
    "mine-released": ("distillation.objective=released",),
    "teacher-student": ("distillation.objective=teacher_student",),
    "contrastive": ("distillation.objective=contrastive",),
    "zero": (NONE, "corrector.noise=zero"),
    "shuffled": (NONE, "corrector.noise=shuffled"),
    "random": (NONE, "corrector.noise=random"),
    "utterance": (NONE, "corrector.noise=utterance"),
    "token": (NONE, "corrector.noise=token"),
    AUDIO: (NONE, "corrector.noise=audio"),
    TOKEN_EMBEDDING: (NONE, "corrector.extractor=llm"),
    NGRAMS: (NONE, "corrector.extractor=ngrams"),
}
NEED_AUDIO = frozenset({"mine-paper", "mine-released", "teacher-student", "contrastive", AUDIO})
# How tables and figures call what is trained.
NAMES: dict[str, str] = {
    UNTRAINED: "untrained",
    "ger": "GER",
    MATCHED: "GER, parameters matched",
    "robustger": "RobustGER, no distillation",
    "mine-paper": "RobustGER",
    "mine-released": "RobustGER, released MINE",
    "teacher-student": "teacher-student",
    "contrastive": "contrastive",
    "zero": "zero noise",
    "shuffled": "shuffled noise",
    "random": "random noise",
    "utterance": "utterance level",
    "token": "token level",
    AUDIO: "GER + audio denoising",
    TOKEN_EMBEDDING: "LLM's token embeddings",
    NGRAMS: "hashed n-grams (FastText-style)",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What an arm differs in from the arm of the same name without it.

    Attributes:
        text: as it was given; empty for none.
        overrides: for the training configuration.
        start: for `robustger.experiments.runs.start.write_start`.
        lists: number of lists, where it is another.
        llm: language model in the place of the shared base, where it is another.
    """

    text: str = ""
    overrides: tuple[str, ...] = ()
    start: dict[str, float] = field(default_factory=dict)
    lists: int | None = None
    llm: str | None = None

    @classmethod
    def parse(cls, text: str) -> Change:
        """From `KEY=VALUE [KEY=VALUE ...]`.

        Raises:
            InputError: a key that is not of the training configuration has a value that is no number.
        """
        overrides, start, lists, llm = [], {}, None, None
        for part in text.split():
            key, _, value = part.partition("=")
            try:
                if key == "lists":
                    lists = int(value)
                elif key == "llm":
                    llm = value
                elif key in {f"start.{name}" for name in STARTS}:
                    start[key.removeprefix("start.")] = float(value)
                else:
                    overrides.append(part)
            except ValueError:
                raise InputError(f"--set {part}: a number is needed") from None
        return cls(" ".join(text.split()), tuple(overrides), start, lists, llm)


def own_overrides(arm: str, config: dict[str, Any], model: str, lists: Path) -> tuple[str, ...]:
    """Overrides of an arm beside those in `ARMS`: what depends on the language model or on the lists.

    Args:
        arm: a name in `ARMS`.
        config: the resolved configuration with what `ARMS` says.
        model: the language model, or one of the same sizes.
        lists: a file of lists whose audio was embedded like that of the lists the arm learns from.
    """
    own: dict[str, Callable[[], tuple[str, ...]]] = {
        MATCHED: lambda: matched(config, model),
        AUDIO: lambda: (f"corrector.noise_dimension={_audio_width(lists)}",),
        TOKEN_EMBEDDING: lambda: (
            f"corrector.encoder={model}",
            f"corrector.noise_dimension={_llm_config(model).hidden_size}",
        ),
        NGRAMS: lambda: (f"corrector.encoder=hashed-{config['corrector']['noise_dimension']}",),
    }
    return own[arm]() if arm in own else ()


def matched(config: dict[str, Any], model: str) -> tuple[str, ...]:
    """Overrides that make of a configuration, of any variant, the `ger` with as many parameters, on the same layers."""
    import torch

    from robustger.correction.llm.adapter import ADAPTERS, AdapterShape, matched_slots

    corrector = config["corrector"]
    adapter = ADAPTERS.get(corrector["variant"])
    llm = _llm_config(model)
    first = corrector["first_layer"]
    first = min(adapter.first_layer if first is None else first, llm.num_hidden_layers - 1)
    n_best = corrector["n_best"]
    shape = AdapterShape(
        layers=llm.num_hidden_layers - first,
        slots=corrector["slots"] or n_best * (n_best - 1),
        width=llm.hidden_size,
        heads=llm.num_attention_heads,
        key_value_heads=llm.num_key_value_heads,
        head_dimension=getattr(llm, "head_dim", None) or llm.hidden_size // llm.num_attention_heads,
        noise_dimension=corrector["noise_dimension"],
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
    assert embedding is not None  # lists without are left out
    return len(embedding)
