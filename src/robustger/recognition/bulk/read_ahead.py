"""Reads the rows of a manifest ahead of the recognizer, in worker processes.

The rows come back in order. Each result depends on its row alone, so the bytes of the lists do not depend on the number
of workers. The workers end when the process that started them ends, however that happens.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from robustger.end_with_parent import end_with_parent
from robustger.errors import InputError
from robustger.recognition.bulk.chunks import ManifestRow
from robustger.recognition.bulk.read_rows import ReadRow, RowReader


def read_ahead(reader: RowReader, rows: Iterable[ManifestRow], workers: int, ahead: int) -> Iterator[ReadRow]:
    """Reads every row and yields the results in order.

    Args:
        reader: reads one row.
        rows: the rows; one is taken when there is room for it.
        workers: the number of processes that read. With 0, this process reads a row when it is asked for the next.
        ahead: how many rows are read before they are asked for, at least two for each worker.
    """
    from torch.utils.data import DataLoader

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores
        loader: Any = DataLoader(
            reader,  # type: ignore[arg-type]  # it needs no length
            batch_size=None,
            sampler=rows,  # type: ignore[arg-type]
            num_workers=workers,
            prefetch_factor=max(2, ahead // workers) if workers else None,
            collate_fn=_unchanged,
            worker_init_fn=_start_worker,
        )
        readings = iter(loader)
    yield from readings


@contextmanager
def report_dead_workers() -> Iterator[None]:
    """Turns the death of a worker process into one line. It goes around all work on rows that are read ahead.

    torch reports the death from a signal handler, which may interrupt this process anywhere.

    Raises:
        InputError: a worker process died.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"a process that reads recordings ahead died ({reason}); use fewer of them: --workers"
        ) from None


def _start_worker(number: int) -> None:
    end_with_parent()


def _unchanged(reading: Any) -> Any:
    return reading
