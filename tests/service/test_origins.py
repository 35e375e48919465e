"""Pages of other sites, and names that other sites point to this machine, get nothing from a service without a key."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from robustger.errors import InputError
from robustger.pipeline import RobustGER
from robustger.service import ServiceSettings, create_app


def nothing() -> RobustGER:
    raise InputError("no models are needed here")


def status(asked: str, origin: str | None = None, **settings: object) -> int:
    app = create_app(ServiceSettings(**settings), nothing)  # type: ignore[arg-type]
    headers = {"host": asked} | ({} if origin is None else {"origin": origin})
    return TestClient(app).get("/v1/models", headers=headers).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_the_own_page_and_programs_are_answered(host: str) -> None:
    assert status(host) == 200
    assert status(host, f"http://{host}") == 200


def test_other_pages_and_names_are_refused() -> None:
    assert status("localhost", "https://evil.example") == 403
    assert status("localhost", "null") == 403
    assert status("rebound.example") == 403
    assert status("localhost", "https://good.example", cors_origins=("https://good.example",)) == 200
    assert status("speech.example", host="0.0.0.0") == 200
