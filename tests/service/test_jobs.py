"""Jobs for long recordings: progress, results, cancelling, and what a restart finds."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service.conftest import Clip, RunningServer

from robustger.errors import InputError
from robustger.service.job_store import JobStore


def ended(server: RunningServer, id_: str, seconds: float = 60) -> dict[str, Any]:
    """The job when it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = httpx.get(f"{server.url}/v1/jobs/{id_}").json()
        if job["status"] not in ("queued", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def add(server: RunningServer, clip: Clip, **fields: Any) -> str:
    answer = server.post(clip, "/v1/jobs", **fields)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "queued"
    return answer.json()["id"]


def test_a_job_gives_the_answer_of_a_transcription(server: RunningServer, clip: Clip) -> None:
    job = ended(server, add(server, clip, response_format="verbose_json", correction="none"))
    assert job["status"] == "done"
    assert job["progress"] == 1
    assert job["result"]["text"] == clip.recognized
    assert job["seconds_done"] == job["seconds_total"] == job["result"]["duration"]
    subtitles = ended(server, add(server, clip, response_format="srt", correction="none"))["result"]
    assert " --> " in subtitles
    assert not list(server.shared.settings.jobs_folder.glob("*.audio"))


def test_a_job_whose_recording_cannot_be_read_fails(server: RunningServer, clip: Clip) -> None:
    for data in (b"no sound", clip.data[: len(clip.data) // 2]):
        answer = httpx.post(f"{server.url}/v1/jobs", files={"file": data})
        job = ended(server, answer.json()["id"])
        assert (job["status"], job["error"]["code"]) == ("failed", "invalid_audio")
        assert str(server.shared.settings.jobs_folder) not in str(job)


def test_jobs_can_be_cancelled_and_forgotten(serve: Callable[..., Any], clip: Clip) -> None:
    with serve(max_jobs=2) as server:
        held = threading.Event()
        server.shared.batcher._put(lambda robustger: held.wait(20))
        running, waiting = add(server, clip), add(server, clip)
        full = server.post(clip, "/v1/jobs")
        assert (full.status_code, full.json()["error"]["code"]) == (503, "server_full")
        assert int(full.headers["Retry-After"]) > 0
        for id_ in (waiting, running):
            assert httpx.delete(f"{server.url}/v1/jobs/{id_}").json() == {"id": id_, "status": "cancelled"}
            assert httpx.get(f"{server.url}/v1/jobs/{id_}").json()["status"] == "cancelled"
        held.set()
        last = add(server, clip, correction="none")
        assert ended(server, last)["result"]["text"] == clip.recognized
        assert httpx.get(f"{server.url}/v1/jobs/{running}").json()["status"] == "cancelled"
        assert httpx.delete(f"{server.url}/v1/jobs/{last}").json()["status"] == "deleted"
        for method in ("GET", "DELETE"):
            assert httpx.request(method, f"{server.url}/v1/jobs/{last}").status_code == 404
        assert not list(server.shared.settings.jobs_folder.glob("*.audio"))


def test_jobs_go_on_after_a_stop(serve: Callable[..., Any], clips: list[Clip], tmp_path: Path) -> None:
    with serve(jobs_folder=tmp_path) as server:
        ids = [add(server, clip, correction="none") for clip in clips]
    with serve(jobs_folder=tmp_path) as server:
        texts = [ended(server, id_)["result"]["text"] for id_ in ids]
    assert texts == [clip.recognized for clip in clips]


def test_what_a_killed_process_left_is_put_in_order(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    store.open()
    done, running, waiting = (store.add(io.BytesIO(b"sound"), {}, None) for _ in range(3))
    assert store.start_next().id == done  # type: ignore[union-attr]
    assert store.end(done, "done", result={"text": "x"})
    assert store.start_next().id == running  # type: ignore[union-attr]
    (tmp_path / "job_1.part").write_bytes(b"half an upload")
    (tmp_path / "job_2.audio").write_bytes(b"an upload without a job")
    with pytest.raises(InputError, match="another server"):
        JobStore(tmp_path).open()
    store._base.close()  # type: ignore[union-attr]
    store._lock.release()

    again = JobStore(tmp_path)
    again.open()
    assert {path.name for path in tmp_path.iterdir() if path.suffix in (".part", ".audio")} == {
        f"{running}.audio",
        f"{waiting}.audio",
    }
    assert again.get(done).result == {"text": "x"}  # type: ignore[union-attr]
    assert not again.end(done, "failed"), "a job is ended once"
    started = [again.start_next().id for _ in range(2)]  # type: ignore[union-attr]
    assert started == [running, waiting]
    assert again.start_next() is None
    again.forget_older_than(-1)
    assert again.get(done) is None
    again.close()


def test_a_recording_that_kills_the_process_is_given_up(tmp_path: Path) -> None:
    for start in range(4):
        store = JobStore(tmp_path)
        store.open()
        if not start:
            id_ = store.add(io.BytesIO(b"sound"), {}, None)
        job = store.start_next()
        assert (job is None) == (start == 3)
        store._base.close()  # type: ignore[union-attr]
        store._lock.release()
    store = JobStore(tmp_path)
    store.open()
    assert store.get(id_).status == "failed"  # type: ignore[union-attr]
    store.close()


def test_the_folder_of_jobs_is_private(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    store.open()
    assert os.stat(tmp_path / "jobs").st_mode & 0o077 == 0
    store.close()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--jobs-folder"):
        JobStore(tmp_path / "file").open()
