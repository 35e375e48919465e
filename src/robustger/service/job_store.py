"""Keeps jobs on the disk: a table in SQLite, and the recording of each job that is not finished.

A job is `queued`, then `running`, then `done`, `failed` or `cancelled`. Where the process was killed, `running` jobs
are `queued` again at the next start, and finished ones stay as they are, so that each job is finished once.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from robustger.errors import InputError

ENDED = ("done", "failed", "cancelled")
_MOST_STARTS = 3  # a recording that kills the process each time is given up
_SPARE_BYTES = 256 * 1024 * 1024  # of the disk, which no recording may take

_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, fields TEXT NOT NULL, created REAL NOT NULL, ended REAL,
    starts INTEGER NOT NULL DEFAULT 0, seconds_done REAL NOT NULL DEFAULT 0, seconds_total REAL,
    result TEXT, error TEXT
)"""


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        id: its name, which nobody can guess.
        status: see the head of this module.
        fields: the fields of the request.
        seconds_done: up to where the recording is transcribed.
        seconds_total: its length; None if it is not known yet.
        result: the answer, once it is done.
        error: the error, once it has failed.
    """

    id: str
    status: str
    fields: dict[str, Any]
    seconds_done: float
    seconds_total: float | None
    result: Any
    error: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """The answer of GET /v1/jobs/{id}."""
        total = self.seconds_total
        progress = 1.0 if self.status == "done" else min(self.seconds_done / total, 1.0) if total else 0.0
        found: dict[str, Any] = {
            "id": self.id,
            "status": self.status,
            "progress": round(progress, 4),
            "seconds_done": round(self.seconds_done, 3),
            "seconds_total": None if total is None else round(total, 3),
        }
        if self.status == "done":
            found["result"] = self.result
        if self.status == "failed":
            found["error"] = self.error
        return found


class JobStore:
    """The jobs in a folder. All methods may be called from any thread.

    Args:
        folder: is made if needed; one process at a time may use it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._lock = FileLock(folder / "lock")
        self._base: sqlite3.Connection | None = None

    def open(self) -> None:
        """Opens the folder, and puts in order what a killed process left; does nothing if it is open.

        Raises:
            InputError: the folder cannot be written, or another process uses it.
        """
        if self._base is not None:
            return
        folder = self._folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._base = sqlite3.connect(
                folder / "jobs.sqlite", check_same_thread=False, isolation_level=None
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute(_TABLE)
        except Timeout:
            raise InputError(
                f"{folder}: another server keeps its jobs there; choose another folder with --jobs-folder"
            ) from None
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{folder}: jobs cannot be kept there: {error}; choose --jobs-folder") from None
        self._recover()

    def close(self) -> None:
        """Lets another process use the folder."""
        with self._turn:
            if self._base is not None:
                self._base.close()
                self._base = None
            self._lock.release()

    def add(self, file: BinaryIO, fields: Mapping[str, Any], seconds_total: float | None) -> str:
        """Keeps a recording and makes a job for it; once this returns, the job survives a kill.

        Raises:
            OSError: there is no room on the disk.
            sqlite3.Error: the table cannot be written.
        """
        id_ = f"job_{uuid.uuid4().hex}"
        part = self.recording(id_).with_suffix(".part")
        try:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if shutil.disk_usage(self._folder).free < size + _SPARE_BYTES:
                raise OSError("no room on the disk")
            with part.open("wb") as target:
                shutil.copyfileobj(file, target, 1024 * 1024)
                target.flush()
                os.fsync(target.fileno())
            part.rename(self.recording(id_))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        try:
            self._do(
                "INSERT INTO jobs (id, status, fields, created, seconds_total) VALUES (?, 'queued', ?, ?, ?)",
                (id_, json.dumps(dict(fields)), time.time(), seconds_total),
            )
        except sqlite3.Error:
            self.recording(id_).unlink(missing_ok=True)
            raise
        return id_

    def recording(self, id_: str) -> Path:
        """The file of a job's recording."""
        return self._folder / f"{id_}.audio"

    def get(self, id_: str) -> Job | None:
        """A job; None if there is none of that name."""
        columns = "id, status, fields, seconds_done, seconds_total, result, error"
        rows = self._do(f"SELECT {columns} FROM jobs WHERE id = ?", (id_,))
        if not rows:
            return None
        name, status, fields, done, total, result, error = rows[0]
        return Job(
            name,
            status,
            json.loads(fields),
            done,
            total,
            json.loads(result or "null"),
            json.loads(error or "null"),
        )

    def start_next(self) -> Job | None:
        """Starts the oldest job that waits; None if none does."""
        rows = self._do(
            "UPDATE jobs SET status = 'running', starts = starts + 1, seconds_done = 0 WHERE id = "
            "(SELECT id FROM jobs WHERE status = 'queued' ORDER BY created, rowid LIMIT 1) RETURNING id"
        )
        return self.get(rows[0][0]) if rows else None

    def progress(self, id_: str, seconds_done: float, seconds_total: float | None) -> None:
        """Notes how far a running job is."""
        self._do(
            "UPDATE jobs SET seconds_done = ?, seconds_total = coalesce(?, seconds_total) "
            "WHERE id = ? AND status = 'running'",
            (seconds_done, seconds_total, id_),
        )

    def end(self, id_: str, status: str, *, result: Any = None, error: Any = None) -> bool:
        """Ends a job that is not ended, and deletes its recording; tells whether it did."""
        rows = self._do(
            "UPDATE jobs SET status = ?, ended = ?, result = ?, error = ? "
            "WHERE id = ? AND status IN ('queued', 'running') RETURNING id",
            (status, time.time(), json.dumps(result), json.dumps(error), id_),
        )
        if rows:
            self.recording(id_).unlink(missing_ok=True)
        return bool(rows)

    def requeue(self, id_: str) -> None:
        """Lets a running job wait again, because the service stops."""
        self._do(
            "UPDATE jobs SET status = 'queued', starts = starts - 1 WHERE id = ? AND status = 'running'",
            (id_,),
        )

    def forget(self, id_: str) -> None:
        """Deletes an ended job with its result."""
        self._do("DELETE FROM jobs WHERE id = ? AND status IN ('done', 'failed', 'cancelled')", (id_,))

    def forget_older_than(self, seconds: float) -> None:
        """Deletes the jobs that ended longer ago."""
        self._do(
            "DELETE FROM jobs WHERE status IN ('done', 'failed', 'cancelled') AND ended < ?",
            (time.time() - seconds,),
        )

    def counts(self) -> dict[str, int]:
        """The number of jobs of each status."""
        found = dict.fromkeys(("queued", "running", *ENDED), 0)
        return found | dict(self._do("SELECT status, count(*) FROM jobs GROUP BY status"))

    def _recover(self) -> None:
        """Puts in order what a killed process left."""
        error = json.dumps(
            {"message": "The server stopped at this recording several times.", "code": "gave_up"}
        )
        self._do(
            "UPDATE jobs SET status = 'failed', ended = ?, error = ? WHERE status = 'running' AND starts >= ?",
            (time.time(), error, _MOST_STARTS),
        )
        self._do("UPDATE jobs SET status = 'queued' WHERE status = 'running'")
        waiting = {row[0] for row in self._do("SELECT id FROM jobs WHERE status = 'queued'")}
        for path in (*self._folder.glob("*.audio"), *self._folder.glob("*.part")):
            if path.suffix == ".part" or path.stem not in waiting:
                path.unlink(missing_ok=True)

    def _do(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._turn:
            if self._base is None:
                raise RuntimeError("the jobs are not open")
            return self._base.execute(statement, values).fetchall()
