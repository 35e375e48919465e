"""Makes the application of the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from robustger.correction.endpoint.proposals import check_judged
from robustger.correction.guards.known_guards import GUARDS, chosen_guard
from robustger.pipeline import RobustGER
from robustger.service import corrections, jobs, status, transcriptions
from robustger.service.batching import Batcher
from robustger.service.gate import Gate
from robustger.service.job_store import JobStore
from robustger.service.measures import Measures
from robustger.service.problems import install_handlers
from robustger.service.recordings import Recordings
from robustger.service.settings import ServiceSettings
from robustger.service.shared import Shared
from robustger.version import __version__

logger = logging.getLogger(__name__)
PAGE_FOLDER = Path(__file__).parent / "page"


def create_app(
    settings: ServiceSettings | None = None, load: Callable[[], RobustGER] | None = None
) -> FastAPI:
    """The application; its models are loaded when it starts.

    Args:
        settings: its settings; None takes them from the environment, as `uvicorn --factory` needs it.

        load: makes the recognizer and the corrector; None takes those that the settings name.

    Raises:
        InputError: there is no such preset, or a setting does not fit.
    """
    settings = settings or ServiceSettings.from_environment()
    measures = Measures()
    batcher = Batcher(
        load or _models(settings),
        settings.correction,
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
        lifespan=_lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.shared = shared
    app.state.job_store = JobStore(settings.jobs_folder)
    app.include_router(transcriptions.router)
    app.include_router(corrections.router)
    app.include_router(jobs.router)
    app.include_router(status.router)
    if PAGE_FOLDER.is_dir():
        app.mount("/page", StaticFiles(directory=PAGE_FOLDER), name="page")
        app.mount("/", StaticFiles(directory=PAGE_FOLDER, html=True), name="start")
    install_handlers(app)

    def on_answer(scope: Scope, code: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        measures.requests.labels(route, str(code)).inc()
        measures.request_seconds.labels(route).observe(seconds)

    app.add_middleware(Gate, settings=settings, on_answer=on_answer)
    if settings.cors_origins:
        app.add_middleware(  # around the gate, so that a page can read its refusals, too
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    return app


def _models(settings: ServiceSettings) -> Callable[[], RobustGER]:
    """A function that makes the models; a wrong preset or guard is told now."""
    if settings.guard:
        GUARDS.get(settings.guard)
    options: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("recognizer", "model", "checkpoint", "base", "quantization", "device", "n", "beams")
    }
    options |= {"second": settings.second_recognizer, "llm_server": settings.endpoint}
    RobustGER.from_preset(settings.preset, **options)

    def load() -> RobustGER:
        """The models, if the guard fits them."""
        robustger = RobustGER.from_preset(settings.preset, **options)
        guard = chosen_guard(
            settings.guard,
            settings.correction.get("guard_changes", {}),
            robustger.corrector.config.guard,
        )
        if settings.endpoint is not None:
            check_judged(guard.config.name, 1)
        return robustger

    return load


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    shared: Shared = app.state.shared
    store: JobStore = app.state.job_store
    store.open()
    app.state.jobs = jobs.Jobs(shared, store)
    shared.batcher.start()
    tasks = [asyncio.ensure_future(_first_load(shared)), asyncio.ensure_future(app.state.jobs.run())]
    try:
        yield
    finally:  # all requests are answered by now
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(shared.recordings.stop)
        await asyncio.to_thread(shared.batcher.stop)
        store.close()


async def _first_load(shared: Shared) -> None:
    try:
        await shared.batcher.ask(lambda robustger: None)
    except Exception as error:
        shared.failure = str(error)
        logger.error("the models cannot be loaded", extra={"fields": {"reason": str(error)}})
