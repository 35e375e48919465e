"""GET /v1/models, /health, /ready and /metrics: what the service is, and how it does."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from robustger.service.problems import ServiceError
from robustger.service.shared import shared_of
from robustger.version import __version__

router = APIRouter()


@router.get("/v1/models")
async def list_models(request: Request) -> dict[str, Any]:
    """The models of this server: one, by the name of its preset."""
    return {"object": "list", "data": [_model(shared_of(request).settings.preset_name)]}


@router.get("/v1/models/{model}", responses={404: {"description": "There is no such model."}})
async def show_model(request: Request, model: str) -> dict[str, Any]:
    """One model."""
    name = shared_of(request).settings.preset_name
    if model != name:
        raise ServiceError(
            404, f"There is no model {model[:60]!r} here; there is {name}.", code="model_not_found"
        )
    return _model(name)


@router.get("/health")
async def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/ready", responses={503: {"description": "The models are not loaded yet."}})
async def ready(request: Request) -> Response:
    """Whether the models are loaded, or have been and are loaded again when they are needed."""
    shared = shared_of(request)
    if shared.batcher.cutting is not None and shared.batcher.is_alive:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "failed" if shared.failure else "loading"}, 503, {"Retry-After": "2"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The figures for Prometheus."""
    shared = shared_of(request)
    for status, count in (await asyncio.to_thread(request.app.state.job_store.counts)).items():
        shared.measures.jobs.labels(status).set(count)
    shared.measures.waiting.set(shared.batcher.waiting)
    return Response(shared.measures.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "robustger"}
