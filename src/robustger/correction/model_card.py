"""The model card of a checkpoint: what it is, what it reads and how to load it."""

from __future__ import annotations

from robustger.correction.config import CorrectorConfig
from robustger.version import __version__


def corrector_card(config: CorrectorConfig, parameters: int) -> str:
    """The model card of a corrector, in Markdown, without a word on how it was trained.

    Args:
        config: describes the corrector.
        parameters: number of parameters in its file of weights.
    """
    rows = {
        "language model": f"`{config.base}`, frozen and not contained; quantization `{config.quantization}`",
        "weights": f"{parameters:,} parameters: {_trained(config)}",
        "variant": f"`{config.variant}`, N = {config.n_best} hypotheses",
        "noise": _noise(config),
        "prompt": f"`{config.prompt}`",
        "input": f"hypotheses in the form of the normalizer `{config.normalizer}`; languages: "
        f"{', '.join(config.languages)}",
        "guard": f"`{config.guard.name}`",
        "written by": f"robustger {__version__}",
    }
    return (
        f"# A corrector of N-best lists, for {config.base}\n\n"
        "A speech recognizer lists what it may have heard, and this corrector writes a better transcript. "
        "It needs robustger (the method: [arXiv 2401.10446](https://arxiv.org/abs/2401.10446)) and the language "
        "model that is named below.\n\n"
        "## Use\n\n"
        "FOLDER is the folder of this file.\n\n"
        "```console\n$ robustger correct lists.jsonl --checkpoint FOLDER -o corrected.jsonl\n```\n\n"
        "```python\n"
        "from robustger import Corrector, load_nbest\n\n"
        'corrector = Corrector.from_pretrained("FOLDER")\n'
        'for transcript in corrector.correct(load_nbest("lists.jsonl")):\n'
        "    print(transcript.id, transcript.text, transcript.confidence)\n"
        "```\n\n"
        "## Settings\n\n"
        f"{card_table(rows)}\n"
        "`config.yaml` has all settings, and `adapter.safetensors` the weights.\n"
    )


def card_table(rows: dict[str, str]) -> str:
    """A table of two columns without a head."""
    lines = (
        f"| {name} | {' '.join(text.replace('|', chr(92) + '|').split())} |" for name, text in rows.items()
    )
    return "\n".join(["| | |", "|---|---|", *lines, ""])


def _trained(config: CorrectorConfig) -> str:
    if config.lora is None:
        return "the noise prompt"
    return f"the noise prompt, and LoRA (r {config.lora.r}, alpha {config.lora.alpha:g})"


def _noise(config: CorrectorConfig) -> str:
    if config.variant == "ger":
        return "none is read"
    if config.noise == "audio":
        return "the embedding of the recognizer's encoder, which every list must have"
    return f"`{config.noise}`, embedded by `{config.extractor}` with `{config.encoder}`"
