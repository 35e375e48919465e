"""A small OpenAI-compatible server on a local port, which answers as a test tells it to, also wrongly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer of HTTP.

    Attributes:
        status: of HTTP; 0 closes the connection instead of answering.
        body: what is sent.
        headers: beside the length.
        announced: the length that is announced; None is the true one.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None


def chat(content: str | None, finish_reason: str = "stop") -> Raw:
    """A chat completion with this content."""
    message = {"role": "assistant", "content": content}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}
    return Raw(body=json.dumps(answer).encode())


@dataclass(slots=True)
class Asked:
    """The requests that a server got.

    Attributes:
        url: of the endpoint.
        bodies: of the requests, in order.
        headers: of the requests, in order, with lower-case names.
        most_at_once: the largest number of requests that were answered at the same time.
    """

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0

    def hypotheses(self, number: int) -> list[str]:
        """The list of a request."""
        return hypotheses_of(self.bodies[number])


def hypotheses_of(body: dict[str, Any]) -> list[str]:
    """The list that a request asks about."""
    return json.loads(body["messages"][-1]["content"])["hypotheses"]


@contextmanager
def llm_endpoint(reply: Callable[[dict[str, Any]], Raw | str]) -> Iterator[Asked]:
    """Serves `POST /v1/chat/completions`; `reply` gets the body of a request and gives its answer."""
    lock = threading.Lock()
    now = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal now
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                asked.bodies.append(body)
                asked.headers.append({key.lower(): value for key, value in self.headers.items()})
                now += 1
                asked.most_at_once = max(asked.most_at_once, now)
            try:
                answer = reply(body) if self.path == "/v1/chat/completions" else Raw(404)
            finally:
                with lock:
                    now -= 1
            raw = chat(answer) if isinstance(answer, str) else answer
            if not raw.status:
                self.close_connection = True
                return
            self.send_response(raw.status)
            for key, value in raw.headers.items():
                self.send_header(key, value)
            length = len(raw.body) if raw.announced is None else raw.announced
            self.send_header("Content-Length", str(length))
            self.end_headers()
            try:
                self.wfile.write(raw.body)
            except OSError:  # the client has read enough
                self.close_connection = True
            if length != len(raw.body):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked = Asked(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
