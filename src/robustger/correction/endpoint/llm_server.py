"""Describes the endpoint of a language model: where it is, what it is asked for, and how long one waits for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from robustger.errors import InputError

KEY_VARIABLE = "ROBUSTGER_LLM_KEY"
_CHAT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class LlmServer:
    """A language model behind an OpenAI-compatible endpoint, such as vLLM, Ollama or llama.cpp have.

    Attributes:
        url: the base of the endpoint, "http://localhost:8000/v1". The path `/v1` is added to a URL without a path, and
            `/chat/completions` at its end is taken away.
        model: the name that the server knows the language model by.
        key: is sent as bearer token; None sends none. It is in no message, transcript or representation.
        timeout_seconds: the longest that one request may take as a whole.
        retries: how often a request is made again that was answered by 408, 429 or 5xx, or not at all.
        concurrency: requests that wait for their answers at the same time.
        max_tokens: the most tokens that the server may write for one list, its thinking included.

    Raises:
        InputError: a URL that is no URL of an endpoint or holds a password; a name, key or number that is refused.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 60.0
    retries: int = 3
    concurrency: int = 8
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _endpoint(self.url))
        if not self.model.strip():
            raise InputError("the name of the server's language model is empty; give it with --llm-model")
        if self.key is not None and not (
            self.key.isascii() and self.key.isprintable() and " " not in self.key
        ):
            raise InputError(f"{KEY_VARIABLE}: a key consists of printable ASCII characters without spaces")
        if not (math.isfinite(self.timeout_seconds) and self.timeout_seconds > 0):
            raise InputError(f"a timeout of {self.timeout_seconds} seconds: give a number above 0")
        least = {"retries": 0, "concurrency": 1, "max_tokens": 1}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least {smallest}")

    @classmethod
    def chosen(cls, url: str | None, model: str | None, **settings: Any) -> LlmServer | None:
        """The endpoint that a user names by `--llm-server` and `--llm-model`; None if neither is given.

        Args:
            url: of `--llm-server`.
            model: of `--llm-model`.
            settings: the further attributes.

        Raises:
            InputError: one of the two is missing, or a value is refused.
        """
        if url is None and model is None:
            return None
        if url is None or model is None:
            raise InputError("--llm-server URL and --llm-model NAME go together; give both")
        return cls(url, model, **settings)

    @property
    def name(self) -> str:
        """The language model and its server, for transcripts and messages."""
        return f"{self.model} at {self.url}"

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that the answers depend on, as values that JSON can hold; the key is not among them."""
        return {"url": self.url, "model": self.model, "max_tokens": self.max_tokens}


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError("--llm-server: not a URL; give one such as http://localhost:8000/v1") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InputError(
            f"--llm-server: a URL with a password, a query or a fragment; put a key into {KEY_VARIABLE}"
        )
    if parts.scheme not in ("http", "https") or not host or any(map(str.isspace, url.strip())):
        raise InputError(
            f"--llm-server {url}: not the URL of an endpoint; give one such as http://localhost:8000/v1"
        )
    path = parts.path.rstrip("/").removesuffix(_CHAT).rstrip("/") or "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"
