"""The gate that every request passes: its id, its key, the limits of its body, and its line in the log.

A request with a wrong key or a body that is announced to be too large is refused before any of its body is read.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robustger.service.logs import REQUEST_ID
from robustger.service.problems import GONE, ServiceError, unexpected
from robustger.service.settings import MEBIBYTE, ServiceSettings

logger = logging.getLogger(__name__)

_OPEN_PATHS = re.compile(r"/|/health|/ready|/page(/.*)?|/favicon\.ico")
_OWN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SLOWEST_BYTES_PER_SECOND = 100 * 1024
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


class Gate:
    """Wraps the application.

    Args:
        app: the application.
        settings: the key and the limits.
        on_answer: called with the path's route, the status and the seconds of each answer.
    """

    def __init__(
        self, app: ASGIApp, settings: ServiceSettings, on_answer: Callable[[Scope, int, float], object]
    ) -> None:
        self._app = app
        self._settings = settings
        self._on_answer = on_answer
        self._held = _Held(int(settings.max_held_mib * MEBIBYTE))
        key = settings.api_key.get_secret_value() if settings.api_key is not None else ""
        self._key = key.encode() or None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        request_id = _request_id(scope)
        token = REQUEST_ID.set(request_id)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        limited: _LimitedBody | None = None

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    *_HEADERS,
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            try:
                self._check_origin(scope)
                self._check_key(scope)
                limited = _LimitedBody(scope, receive, self._settings, self._held)
                await self._app(scope, limited.receive, answering)
            except ServiceError as error:
                if not status:
                    await error.response()(scope, receive, answering)
            except ClientDisconnect:  # in the middle of its body
                status = status or GONE
            except Exception:
                logger.exception("a request failed")
                if not status:
                    await unexpected().response()(scope, receive, answering)
        finally:
            if limited is not None:
                self._held.size -= limited.size
            seconds = time.monotonic() - begun
            self._on_answer(scope, status, seconds)
            logger.info(
                "request",
                extra={
                    "fields": {
                        "method": scope["method"],
                        "path": _route(scope),
                        "status": status or None,
                        "seconds": round(seconds, 4),
                    }
                },
            )
            REQUEST_ID.reset(token)

    def _check_origin(self, scope: Scope) -> None:
        """Keeps pages of other sites from using a service that only its own machine is meant to reach.

        Browsers send forms across sites without asking, so CORS alone would only hide the answers. A name that another
        site lets point to this machine would even show them, so only the machine's own names count without a key.
        """
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        allowed = self._settings.cors_origins
        is_allowed = not origin or origin in allowed or "*" in allowed
        if not is_allowed and origin.partition("://")[2] != host:
            raise ServiceError(
                403, "Pages of this origin may not use the service.", code="origin_not_allowed"
            )
        if self._key is None and self._settings.host in _LOOPBACK and _name_of(host) not in _LOOPBACK:
            raise ServiceError(
                403, "Call the service by the name localhost, or set a key.", code="host_not_allowed"
            )

    def _check_key(self, scope: Scope) -> None:
        if self._key is None or scope["method"] == "OPTIONS" or _OPEN_PATHS.fullmatch(scope["path"]):
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        if not (hmac.compare_digest(key.strip(), self._key) and scheme.lower() == b"bearer"):
            raise ServiceError(
                401,
                "This server asks for a key: send the header Authorization: Bearer KEY.",
                code="invalid_api_key",
            )


class _Held:
    """The bytes of all bodies that are being worked on, in memory or in temporary files."""

    def __init__(self, most: int) -> None:
        self.size = 0
        self.most = most


class _LimitedBody:
    """Reads the body of a request, and refuses one that is too large or too slow."""

    def __init__(self, scope: Scope, receive: Receive, settings: ServiceSettings, held: _Held) -> None:
        self._most = settings.most_bytes(scope["path"])
        self._held = held
        self._receive = receive
        self._seconds = settings.upload_seconds
        self._begun: float | None = None
        self.size = 0
        self._ended = False
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit():
            raise ServiceError(400, "The header Content-Length is no number.")
        if len(announced) > 18 or int(announced) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece of the body; once it is read, waits for the client to go away."""
        if self._ended:
            return await self._receive()
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        until = self._begun + self._seconds + self.size / _SLOWEST_BYTES_PER_SECOND
        try:
            message = await asyncio.wait_for(self._receive(), max(until - now, 0.001))
        except TimeoutError:
            raise ServiceError(
                408, "The body of the request came too slowly; send it again.", code="upload_timeout"
            ) from None
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.size += size
            self._held.size += size
            self._ended = not message.get("more_body", False)
            if self.size > self._most:
                raise self._too_large()
            if self._held.size > self._held.most:
                raise ServiceError(
                    503,
                    "The server holds too many uploads; try again in some seconds.",
                    code="server_full",
                    retry_after_seconds=5,
                )
        else:
            self._ended = True
        return message

    def _too_large(self) -> ServiceError:
        return ServiceError(
            413,
            f"The body is larger than {self._most / MEBIBYTE:g} MiB; send a shorter or a compressed recording.",
            param="file",
            code="file_too_large",
        )


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _request_id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if _OWN_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"


def _route(scope: Scope) -> str:
    """The address without what the client put into it: ids of jobs, and addresses that there are not."""
    route = scope.get("route")
    return getattr(route, "path", None) or "other"
