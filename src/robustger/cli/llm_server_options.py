"""The options of a language model behind an OpenAI-compatible endpoint, and the settings that they make."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robustger.cli import options

if TYPE_CHECKING:
    from robustger.correction.endpoint.llm_server import LlmServer

LlmServerOption = Annotated[
    str | None,
    typer.Option(
        "--llm-server",
        metavar="URL",
        help="Let the language model behind this OpenAI-compatible endpoint write the corrections, and judge them as "
        "usual. The hypotheses are sent there. A key is read from the environment variable ROBUSTGER_LLM_KEY.",
        rich_help_panel=options.LLM_SERVER,
    ),
]
LlmModelOption = Annotated[
    str | None,
    typer.Option(
        "--llm-model",
        metavar="NAME",
        help="The name that this server knows the language model by.",
        rich_help_panel=options.LLM_SERVER,
    ),
]
LlmTimeoutOption = Annotated[
    float,
    typer.Option(
        "--llm-timeout",
        metavar="SECONDS",
        help="Wait at most this long for each answer of the server.",
        rich_help_panel=options.LLM_SERVER,
    ),
]
LlmRetriesOption = Annotated[
    int,
    typer.Option(
        "--llm-retries",
        min=0,
        metavar="N",
        help="Ask again this often, with growing pauses, if the server is busy or does not answer. Then the "
        "recognizer's text stays.",
        rich_help_panel=options.LLM_SERVER,
    ),
]
LlmConcurrencyOption = Annotated[
    int,
    typer.Option(
        "--llm-concurrency",
        min=1,
        metavar="N",
        help="Send this many requests at the same time.",
        rich_help_panel=options.LLM_SERVER,
    ),
]
LlmMaxTokensOption = Annotated[
    int,
    typer.Option(
        "--llm-max-tokens",
        min=1,
        metavar="N",
        help="Let the server write at most this many tokens for each list, its thinking included.",
        rich_help_panel=options.LLM_SERVER,
    ),
]


def llm_server(url: str | None, model: str | None, **settings: Any) -> LlmServer | None:
    """The endpoint of `--llm-server` and `--llm-model`, with the key of the environment; None without the options.

    Args:
        url: of `--llm-server`.
        model: of `--llm-model`.
        settings: the further attributes of `LlmServer`.

    Raises:
        InputError: one of the two options is missing, or a value is refused.
    """
    from robustger.correction.endpoint.llm_server import KEY_VARIABLE, LlmServer

    return LlmServer.chosen(url, model, key=os.environ.get(KEY_VARIABLE) or None, **settings)
