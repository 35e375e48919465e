"""The prompt of Whisper's decoder: the start token, the language, the task, and the request for no timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import WhisperForConditionalGeneration
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from robustger.errors import InputError

AUTO = "auto"
ENGLISH = "en"
_MULTILINGUAL_VOCABULARY = 51_865  # OpenAI's own rule: its checkpoints with fewer tokens are English-only


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of a checkpoint, one for each language that it knows.

    Attributes:
        source: the checkpoint, as messages name it.
        start: the start token.
        languages: the language token for each code; empty for checkpoints that know English only.
        task: the token of the task; None if there are no languages.
        no_timestamps: the token that asks for no timestamps; None if the checkpoint has no such token.
        language: the code of the language of all audios; None detects the language of each audio.
    """

    source: Path
    start: int
    languages: Mapping[str, int]
    task: int | None
    no_timestamps: int | None
    language: str | None

    @property
    def length(self) -> int:
        """The number of tokens of a prompt, which is the same in every language."""
        return 1 + 2 * bool(self.languages) + (self.no_timestamps is not None)

    def ids(self, language: str) -> list[int]:
        """The prompt for a language of the checkpoint.

        Args:
            language: code, as `known` gives it.
        """
        prompt = [self.start]
        if self.languages and self.task is not None:
            prompt += [self.languages[language], self.task]
        return prompt if self.no_timestamps is None else [*prompt, self.no_timestamps]

    def known(self, language: str) -> str:
        """The code of a language given by its code or its English name.

        Raises:
            InputError: there is no such language, or the checkpoint does not know it.
        """
        name = language.lower().strip("<|>")
        code = TO_LANGUAGE_CODE.get(name, name)
        if code not in TO_LANGUAGE_CODE.values():
            raise InputError(
                f"unknown language {language!r}; give a code such as 'en', an English name, or {AUTO!r}"
            )
        if self.languages and code not in self.languages:
            names = ", ".join(sorted(self.languages))
            raise InputError(f"{self.source}: knows no language {code!r}; choose among: {names}")
        if not self.languages and code != ENGLISH:
            raise InputError(
                f"{self.source}: knows English only, not {code!r}; leave the language out, or take a multilingual model"
            )
        return code


def prompts_of(
    folder: Path, model: WhisperForConditionalGeneration, tokenizer: Any, language: str | None, task: str
) -> Prompts:
    """The prompts of a checkpoint.

    Special tokens are taken from the generation settings, else from the tokenizer. Checkpoints whose settings do not
    say whether they are multilingual are judged by their vocabulary, as OpenAI's code does.

    Args:
        folder: the checkpoint, for messages.
        model: the model, whose config and generation settings are read.
        tokenizer: the tokenizer of the checkpoint.
        language: code or English name; None is English; "auto" lets a multilingual checkpoint detect it.
        task: "transcribe" or "translate".

    Raises:
        InputError: the checkpoint does not have the language or the task.
    """
    settings = model.generation_config
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    start = settings.decoder_start_token_id  # pyright: ignore[reportOptionalMemberAccess]
    if start is None:
        start = model.config.decoder_start_token_id
    given = getattr(settings, "lang_to_id", None)
    multilingual = getattr(settings, "is_multilingual", None)
    if multilingual is None:
        multilingual = bool(given) or len(vocabulary) >= _MULTILINGUAL_VOCABULARY
    no_timestamps = getattr(settings, "no_timestamps_token_id", None)
    if no_timestamps is None:
        no_timestamps = vocabulary.get("<|notimestamps|>")
    languages: dict[str, int] = {}
    task_id: int | None = None
    if multilingual:
        codes = set(TO_LANGUAGE_CODE.values())
        tokens = given or {token: i for token, i in vocabulary.items() if token[2:-2] in codes}
        languages = {token.strip("<|>"): i for token, i in tokens.items()}
        tasks = getattr(settings, "task_to_id", None) or {}
        task_id = tasks.get(task, vocabulary.get(f"<|{task}|>"))
        if task_id is None:
            raise InputError(f"{folder}: knows no task {task!r}")
    elif task != "transcribe":
        raise InputError(f"{folder}: only transcribes, and knows no task {task!r}; take a multilingual model")
    prompts = Prompts(folder, int(start), languages, task_id, no_timestamps, None)
    if language is not None and language.lower() == AUTO:
        return prompts if languages else _in(prompts, ENGLISH)
    return _in(prompts, prompts.known(language or ENGLISH))


def _in(prompts: Prompts, language: str) -> Prompts:
    return replace(prompts, language=language)
