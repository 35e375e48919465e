"""Real servers of uvicorn on free ports, in threads of the test process, with the models of the preset `lab`."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("openai")

import httpx
import uvicorn

from robustger.pipeline import RobustGER
from robustger.service import ServiceSettings, create_app

LAB = Path(__file__).parents[2] / "src" / "robustger" / "presets" / "lab"


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of the demo, with what the command line makes of it."""

    path: Path
    text: str
    recognized: str

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()


@pytest.fixture(scope="session")
def models() -> RobustGER:
    """The models of all servers of these tests, loaded once."""
    return RobustGER.from_preset("lab", device="cpu")


@pytest.fixture(scope="session")
def clips(models: RobustGER) -> list[Clip]:
    """The recordings of the demo of the preset `lab`."""
    found = []
    for path in sorted((LAB / "demo").glob("*.flac"))[:4]:
        transcription = models.transcribe(path)
        recognized = " ".join(segment.recognized for segment in transcription.segments)
        found.append(Clip(path, transcription.text, recognized))
    assert len({clip.text for clip in found}) == len(found)
    return found


@pytest.fixture(scope="session")
def clip(clips: list[Clip]) -> Clip:
    """One recording."""
    return clips[0]


class RunningServer:
    """A server that answers; `url` is its address."""

    def __init__(self, settings: ServiceSettings, load: Callable[[], RobustGER]) -> None:
        self.app: Any = create_app(settings, load)
        config = uvicorn.Config(self.app, port=0, log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        while httpx.get(f"{self.url}/ready").status_code != 200:
            time.sleep(0.02)

    @property
    def shared(self) -> Any:
        """The state of the application."""
        return self.app.state.shared

    def post(
        self, clip: Clip | None, path: str = "/v1/audio/transcriptions", **fields: Any
    ) -> httpx.Response:
        """Sends a recording with fields; `include` and `timestamp_granularities` may be lists."""
        data = {f"{name}[]" if isinstance(value, list) else name: value for name, value in fields.items()}
        files = {"file": ("clip.flac", clip.data)} if clip is not None else {"none": ""}
        return httpx.post(f"{self.url}{path}", data=data, files=files, timeout=60)

    def stop(self) -> None:
        """As SIGTERM does it."""
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="session")
def serve(models: RobustGER, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Starts a server with settings, for a `with` block."""

    @contextlib.contextmanager
    def serving(**settings: Any) -> Iterator[RunningServer]:
        settings.setdefault("jobs_folder", tmp_path_factory.mktemp("jobs"))
        server = RunningServer(ServiceSettings(preset="lab", port=0, **settings), lambda: models)
        try:
            yield server
        finally:
            server.stop()

    return serving


@pytest.fixture(scope="session")
def server(serve: Callable[..., Any]) -> Iterator[RunningServer]:
    """A server with the default settings."""
    with serve() as running:
        yield running


def events_of(text: str) -> list[dict[str, Any]]:
    """The data of server-sent events."""
    return [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
    ]
