"""Makes the application of the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from robustger.pipeline import RobustGER
from robustger.service import status, transcriptions
from robustger.service.batching import Batcher
from robustger.service.gate import Gate
from robustger.service.measures import Measures
from robustger.service.problems import install_handlers
from robustger.service.recordings import Recordings
from robustger.service.settings import ServiceSettings
from robustger.service.shared import Shared
from robustger.version import __version__

logger = logging.getLogger(__name__)
PAGE_FOLDER = Path(__file__).parent / "page"


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The application; its models are loaded when it starts.

    Args:
        settings: its settings; None takes them from the environment, as `uvicorn --factory` needs it.

    Raises:
        InputError: there is no such preset, or a setting does not fit.
    """
    settings = settings or ServiceSettings.from_environment()
    measures = Measures()
    robustger = _models(settings)
    correction: dict[str, Any] = {"guard": settings.guard} if settings.guard else {}
    batcher = Batcher(
        robustger,
        correction,
        settings.batch_size,
        settings.batch_wait_seconds,
        settings.idle_seconds,
        measures,
    )
    shared = Shared(settings, measures, batcher, Recordings(batcher, settings.readers, measures))

    app = FastAPI(
        title="robustger",
        version=__version__,
        description="Transcriptions of noisy speech, corrected by a language model.",
        lifespan=lambda app: _lifespan(shared),
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.shared = shared
    app.include_router(transcriptions.router)
    app.include_router(status.router)
    if PAGE_FOLDER.is_dir():
        app.mount("/page", StaticFiles(directory=PAGE_FOLDER), name="page")
        app.mount("/", StaticFiles(directory=PAGE_FOLDER, html=True), name="start")
    install_handlers(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )

    def on_answer(scope: Scope, code: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        measures.requests.labels(route, str(code)).inc()
        measures.request_seconds.labels(route).observe(seconds)

    app.add_middleware(Gate, settings=settings, on_answer=on_answer)
    return app


def _models(settings: ServiceSettings) -> Any:
    """A function that makes the models; a wrong preset is told now."""
    options: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("recognizer", "model", "checkpoint", "base", "quantization", "device", "n", "beams")
    }
    RobustGER.from_preset(settings.preset, **options)
    return lambda: RobustGER.from_preset(settings.preset, **options)


@asynccontextmanager
async def _lifespan(shared: Shared) -> AsyncIterator[None]:
    shared.batcher.start()
    loading = asyncio.ensure_future(_first_load(shared))
    try:
        yield
    finally:
        loading.cancel()
        await asyncio.to_thread(shared.recordings.stop)
        await asyncio.to_thread(shared.batcher.stop)


async def _first_load(shared: Shared) -> None:
    try:
        await shared.batcher.ask(lambda robustger: None)
    except Exception as error:
        shared.failure = str(error)
        logger.error("the models cannot be loaded", extra={"fields": {"reason": str(error)}})
    else:
        shared.is_ready = True
