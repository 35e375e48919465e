"""Keeps answers that are computed once: those of baselines, of correctors, and of recognizers with other beams."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.experiments.experiment import Context
from robustger.files import atomic_writer
from robustger.version import __version__


def kept(context: Context, name: str, asked: Any, make: Callable[[], Any]) -> Any:
    """The answer to a question, read from the context's cache, or made and kept there if it is new.

    The processor time of the answer is added to the context's `spent`, even if it was spent earlier.

    Args:
        context: of the experiment.
        name: the beginning of the file's name.
        asked: everything that the answer depends on, apart from the program's version, as plain JSON values.
        make: makes the answer, as plain JSON values.

    Raises:
        InputError: a file of that name is not a kept answer.
    """
    question = json.dumps([__version__, name, asked], sort_keys=True)
    path = context.cache / f"{name}-{hashlib.sha256(question.encode()).hexdigest()[:16]}.json"
    if not path.exists():
        began = time.process_time()
        answer = make()
        content = {"seconds": time.process_time() - began, "answer": answer}
        with atomic_writer(path) as file:
            file.write(json.dumps(content, ensure_ascii=False) + "\n")
    content = _read(path)
    context.spent[path.name] = content["seconds"]
    return content["answer"]


def seconds_kept(cache: Path) -> float:
    """Seconds of processor time behind all answers in a cache; 0 where the cache does not exist.

    Raises:
        InputError: a file is not a kept answer.
    """
    return sum(_read(path)["seconds"] for path in sorted(cache.glob("*.json")))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"seconds": float(content["seconds"]), "answer": content["answer"]}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is not an answer that was kept; remove it") from None
