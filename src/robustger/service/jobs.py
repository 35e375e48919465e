"""/v1/jobs: long recordings, which are transcribed one after the other while nobody waits."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from robustger.service.answers import answered
from robustger.service.job_store import ENDED, Job, JobStore
from robustger.service.parameters import TranscriptionFields, form_schema, read_form
from robustger.service.problems import ServiceError, unexpected
from robustger.service.recordings import RecordingProgress, Wish
from robustger.service.shared import Shared, shared_of

logger = logging.getLogger(__name__)
router = APIRouter()
_REPAIR_SECONDS = 10  # between two tries where the table cannot be read or written
_SWEEP_SECONDS = 600.0  # between deletions of old results
_FULL_SECONDS = 30.0

_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "A field or the recording is wrong."},
    401: {"description": "The key is missing or wrong."},
    404: {"description": "There is no such job or model."},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **_REFUSALS,
    408: {"description": "The upload took too long."},
    413: {"description": "The body is too large."},
    503: {
        "description": "There are too many jobs, or there is no room; Retry-After says when to come again."
    },
}


class Jobs:
    """Runs the jobs of a folder, one at a time.

    Args:
        shared: the state of the application.
        store: keeps the jobs.
    """

    def __init__(self, shared: Shared, store: JobStore) -> None:
        self._shared = shared
        self.store = store
        self._more = asyncio.Event()
        self._running: tuple[str, asyncio.Task[None]] | None = None

    def wake(self) -> None:
        """Tells that there is a new job."""
        self._more.set()

    def cancel(self, id_: str) -> None:
        """Stops the job if it is running."""
        if self._running is not None and self._running[0] == id_:
            self._running[1].cancel()

    async def run(self) -> None:
        """Runs jobs until it is cancelled; the job that is running then waits for the next start."""
        while True:
            self._more.clear()
            try:
                job = await asyncio.to_thread(self.store.start_next)
                if job is None:
                    hours = self._shared.settings.keep_jobs_hours
                    await asyncio.to_thread(self.store.forget_older_than, 3600 * hours)
            except sqlite3.Error:  # the disk may be full for a while
                logger.exception("the jobs cannot be read or written")
                await asyncio.sleep(_REPAIR_SECONDS)
                continue
            if job is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._more.wait(), _SWEEP_SECONDS)
                continue
            task = asyncio.ensure_future(self._do(job))
            self._running = (job.id, task)
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                self.store.requeue(job.id)
                raise
            finally:
                self._running = None

    async def _do(self, job: Job) -> None:
        settings = self._shared.settings
        fields = TranscriptionFields(**job.fields)
        wish = Wish(
            fields.correction == "full", fields.needs_words, fields.language, settings.max_job_audio_seconds
        )
        progress = RecordingProgress(total=job.seconds_total)
        telling = asyncio.ensure_future(self._tell(job.id, progress))
        try:
            with self.store.recording(job.id).open("rb") as file:
                result = await answered(self._shared, file, fields, wish, progress)
        except ServiceError as error:
            await asyncio.to_thread(self.store.end, job.id, "failed", error=error.body["error"])
        except Exception:
            logger.exception("a job failed", extra={"fields": {"job": job.id}})
            await asyncio.to_thread(self.store.end, job.id, "failed", error=unexpected().body["error"])
        else:
            self.store.progress(job.id, progress.done, progress.total)
            await asyncio.to_thread(self.store.end, job.id, "done", result=result)
        finally:
            telling.cancel()
        logger.info("job ended", extra={"fields": {"job": job.id}})

    async def _tell(self, id_: str, progress: RecordingProgress) -> None:
        told = 0.0
        while True:
            await asyncio.sleep(0.5)
            if progress.done != told:
                told = progress.done
                await asyncio.to_thread(self.store.progress, id_, progress.done, progress.total)


@router.post("/v1/jobs", status_code=202, openapi_extra={"requestBody": form_schema()}, responses=_ANSWERS)
async def add_job(request: Request) -> Response:
    """Takes a recording, and answers at once."""
    shared, jobs = shared_of(request), _jobs_of(request)
    with shared.admitted():
        counts = await asyncio.to_thread(jobs.store.counts)
        if counts["queued"] + counts["running"] >= shared.settings.max_jobs:
            raise _full("There are too many jobs; try again later.")
        try:
            file, fields = await read_form(request, shared.settings.preset_name)
            if fields.stream:
                raise ServiceError(
                    400, "stream does not go with jobs; ask for their progress.", param="stream"
                )
            await shared.batcher.check_language(fields.language)
            most = shared.settings.max_job_audio_seconds
            stated = await shared.recordings.stated_seconds(file.file, most)
            try:
                id_ = await asyncio.to_thread(
                    jobs.store.add, file.file, fields.model_dump(mode="json"), stated
                )
            except (OSError, sqlite3.Error):
                raise _full("There is no room for the recording; try again later.") from None
        finally:
            await request.close()
    jobs.wake()
    return JSONResponse({"id": id_, "status": "queued"}, 202, {"Location": f"/v1/jobs/{id_}"})


@router.get("/v1/jobs/{job_id}", responses=_REFUSALS)
async def show_job(request: Request, job_id: str) -> Response:
    """The progress of a job, and its result."""
    return JSONResponse((await _job(request, job_id)).to_dict())


@router.delete("/v1/jobs/{job_id}", responses=_REFUSALS)
async def cancel_job(request: Request, job_id: str) -> dict[str, Any]:
    """Cancels a job that is not finished; deletes the result of one that is."""
    jobs = _jobs_of(request)
    job = await _job(request, job_id)
    if job.status not in ENDED and await asyncio.to_thread(jobs.store.end, job_id, "cancelled"):
        jobs.cancel(job_id)
        return {"id": job_id, "status": "cancelled"}
    await asyncio.to_thread(jobs.store.forget, job_id)
    return {"id": job_id, "status": "deleted"}


async def _job(request: Request, id_: str) -> Job:
    job = await asyncio.to_thread(_jobs_of(request).store.get, id_)
    if job is None:
        raise ServiceError(
            404, "There is no such job; results are deleted after a time.", code="job_not_found"
        )
    return job


def _jobs_of(request: Request) -> Jobs:
    return request.app.state.jobs


def _full(message: str) -> ServiceError:
    return ServiceError(503, message, code="server_full", retry_after_seconds=_FULL_SECONDS)
