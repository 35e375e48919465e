"""What a client may not do: keys, sizes, lengths, times, and how it is told."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.service.conftest import Clip, RunningServer

from robustger.audio import write_audio
from robustger.service.logs import JsonLines

KEY = "sk-very-secret-0123456789"
ADDRESSES = [
    "/v1/audio/transcriptions",
    "/v1/corrections",
    "/v1/jobs",
    "/v1/models",
    "/metrics",
    "/openapi.json",
]


class Lines(logging.Handler):
    """Keeps what the service logs, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Any:
    handler, logger = Lines(), logging.getLogger("robustger.service")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture(scope="module")
def small(serve: Callable[..., Any]) -> Any:
    """A server with a key and small limits."""
    with serve(
        api_key=KEY,
        max_upload_mib=0.2,
        max_job_upload_mib=0.2,
        max_audio_seconds=8,
        max_job_audio_seconds=8,
        upload_seconds=1,
        max_requests=3,
    ) as server:
        yield server


def authorized(**headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}", **headers}


def upload(
    server: RunningServer, data: bytes, path: str = ADDRESSES[0], name: str = "x.wav"
) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", files={"file": (name, data)}, headers=authorized(), timeout=30)


@pytest.mark.parametrize("header", [None, f"Bearer {KEY}x", f"Basic {KEY}", "Bearer x", KEY, "Bearer \u00e9"])
def test_without_the_key_nothing_is_told(small: RunningServer, log: list[str], header: str | None) -> None:
    headers: Any = {} if header is None else {"Authorization": header.encode("latin-1")}
    answers = [
        httpx.request(method, f"{small.url}{path}", headers=headers)
        for path in [*ADDRESSES, "/v1/jobs/job_1", "/nowhere"]
        for method in ("GET", "POST")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert "WWW-Authenticate" in answers[0].headers
    assert KEY not in "".join(log)
    assert KEY not in answers[0].text


def test_with_the_key_all_is_as_without(small: RunningServer, clip: Clip, log: list[str]) -> None:
    answer = upload(small, clip.data)
    assert answer.json()["text"] == clip.text
    assert httpx.get(f"{small.url}/health").status_code == 200
    assert KEY not in "".join(log)
    assert not any(word in "".join(log) for word in clip.text.split() if len(word) > 5), (
        "a transcript in the log"
    )
    ids = {json.loads(line).get("request_id") for line in log if "audio" in line}
    assert ids == {answer.headers["x-request-id"]}


def test_a_body_that_is_announced_too_large_is_not_read(small: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", small.port)) as raw:
        raw.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n"
            b"Authorization: Bearer "
            + KEY.encode()
            + b"\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_body_that_grows_too_large_is_cut_off(small: RunningServer) -> None:
    def chunks() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(100):
            yield b"\0" * 10_000

    answer = httpx.post(
        f"{small.url}/v1/audio/transcriptions",
        content=chunks(),
        headers=authorized(**{"Content-Type": "multipart/form-data; boundary=x"}),
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "file_too_large"


def test_a_slow_body_is_given_up(small: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", small.port)) as raw:
        raw.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
            b"Authorization: Bearer "
            + KEY.encode()
            + b"\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--x"
        )
        raw.settimeout(10)
        assert raw.recv(4096).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/jobs"])
def test_a_recording_that_states_too_much_is_not_decoded(
    small: RunningServer, tmp_path: Path, path: str
) -> None:
    write_audio(tmp_path / "long.flac", np.zeros(3600 * 16_000, np.float32))  # an hour in some KiB
    data = (tmp_path / "long.flac").read_bytes()
    answer = upload(small, data, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "audio_too_long")


def test_a_recording_that_lies_about_its_length_is_cut_off(small: RunningServer, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 12 * 8_000).astype(np.float32)
    write_audio(tmp_path / "long.flac", np.repeat(noise, 2))
    import av

    made = io.BytesIO()
    with av.open(str(tmp_path / "long.flac")) as source, av.open(made, "w", format="adts") as target:
        stream = target.add_stream("aac", rate=16_000)
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    answer = upload(small, made.getvalue())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "audio_too_long")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\x00b", "x" * 5000, "\u202e.wav", ""])
def test_names_of_files_mean_nothing(small: RunningServer, name: str) -> None:
    answer = upload(small, b"no sound", name=name)
    assert answer.status_code == 400
    assert "passwd" not in answer.text
    assert "/tmp" not in answer.text


def test_a_full_server_says_when_to_come_again(small: RunningServer, clip: Clip) -> None:
    with small.shared.admitted(), small.shared.admitted(), small.shared.admitted():
        answer = upload(small, clip.data)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["error"]["code"] == "server_full"


def test_an_answer_that_takes_too_long_is_408_and_not_empty(serve: Callable[..., Any], clip: Clip) -> None:
    with serve(deadline_seconds=0.05, deadline_per_audio_second=0) as server:
        held = threading.Event()
        server.shared.batcher._put(lambda robustger: held.wait(10))
        answers = [server.post(clip), server.post(clip, stream="true")]
        held.set()
        assert [answer.status_code for answer in answers] == [408, 408]
        assert answers[0].json()["error"]["code"] == "deadline_exceeded"


def test_who_goes_away_is_not_worked_for(serve: Callable[..., Any], clip: Clip) -> None:
    with serve() as server:
        held = threading.Event()
        server.shared.batcher._put(lambda robustger: held.wait(10))
        for fields in ({}, {"stream": "true"}):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(
                    f"{server.url}/v1/audio/transcriptions",
                    files={"file": clip.data},
                    data=fields,
                    timeout=httpx.Timeout(10, read=0.5),
                )
        until = time.monotonic() + 10
        while server.shared.open_requests and time.monotonic() < until:
            time.sleep(0.01)
        assert server.shared.open_requests == 0
        held.set()
        server.post(clip, correction="none")
        figures = httpx.get(f"{server.url}/metrics").text
        assert "robustger_batch_size_sum 1.0" in figures, "the excerpts of those who went away were worked on"


def test_pages_of_others_may_not_call(serve: Callable[..., Any], server: RunningServer) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{server.url}/v1/audio/transcriptions", headers=asked)
    assert "access-control-allow-origin" not in answer.headers
    with serve(cors_origins=("https://good.example",), api_key=KEY) as open_server:
        address = f"{open_server.url}/v1/audio/transcriptions"
        assert "access-control-allow-origin" not in httpx.options(address, headers=asked).headers
        good = httpx.post(address, headers={"Origin": "https://good.example"})
        assert good.status_code == 401
        assert good.headers["access-control-allow-origin"] == "https://good.example"


def test_a_bug_is_told_without_its_traceback(
    server: RunningServer, clip: Clip, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    def broken(*arguments: Any) -> Any:
        raise ValueError("/home/somebody/secret")

    monkeypatch.setattr("robustger.service.batching.transcribe_batch", broken)
    answer = server.post(clip)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert any("Traceback" in line and answer.headers["x-request-id"] in line for line in log)


def test_models_are_unloaded_when_nothing_comes(serve: Callable[..., Any], clip: Clip) -> None:
    with serve(idle_seconds=0.1) as server:
        until = time.monotonic() + 10
        while server.shared.batcher._robustger is not None and time.monotonic() < until:
            time.sleep(0.02)
        assert "robustger_models_loaded 0.0" in httpx.get(f"{server.url}/metrics").text
        assert httpx.get(f"{server.url}/ready").status_code == 200
        assert server.post(clip, correction="none").json()["text"] == clip.recognized
