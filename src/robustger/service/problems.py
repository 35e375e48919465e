"""The errors that a client is told, in the shape of OpenAI's: never a path of the server, never a stack trace."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

GONE = 499  # the client went away; nobody reads this status, but the log shows it
_TYPES = {401: "authentication_error", 408: "timeout_error", 503: "server_error", 500: "server_error"}
_MESSAGES = {
    404: "There is no such address; see /openapi.json for those that there are.",
    405: "This address does not answer to this method; see /openapi.json.",
}


class ServiceError(Exception):
    """A request that is refused or failed.

    Args:
        status: the HTTP status.
        message: one sentence for the client.
        param: the field that is wrong; None if it is no single field.
        code: a word for programs.
        retry_after_seconds: when to try again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_seconds = retry_after_seconds

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer, in OpenAI's shape."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        found: dict[str, str] = {}
        if self.retry_after_seconds is not None:
            found["Retry-After"] = str(max(1, round(self.retry_after_seconds)))
        if self.status == 401:
            found["WWW-Authenticate"] = "Bearer"
        if self.status in (408, 413, 503):
            found["Connection"] = "close"  # the rest of the body is not read
        return found

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body, self.status, self.headers)


def unexpected() -> ServiceError:
    """The error for a bug: the log has the reason, and the client learns nothing of it."""
    return ServiceError(500, "The server failed; the log has the reason under this request's id.", code="bug")


def install_handlers(app: FastAPI) -> None:
    """Lets the application answer every error in OpenAI's shape."""

    @app.exception_handler(ServiceError)
    async def _told(request: Request, error: ServiceError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        message = _MESSAGES.get(error.status_code, str(error.detail))
        answer = ServiceError(error.status_code, message).response()
        headers: Mapping[str, str] = error.headers or {}
        answer.headers.update(headers)
        return answer

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body") or None
        return ServiceError(400, f"{place or 'The body'}: {first['msg']}", param=place).response()
