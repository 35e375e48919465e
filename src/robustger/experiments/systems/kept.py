"""What is computed once and kept: answers of baselines and correctors, recordings heard with other beams."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.experiments.experiment import Context
from robustger.hypotheses import atomic_writer
from robustger.version import __version__


def kept(context: Context, name: str, asked: Any, make: Callable[[], Any]) -> Any:
    """The answer to a question: from the context's cache where the same was asked before, else made and kept there.

    What it took is added to the context's `spent`, also where it was made before.

    Args:
        context: of the experiment.
        name: begins the name of the file.
        asked: plain JSON values, all that the answer depends on but for the program's version.
        make: gives the answer, plain JSON values.

    Raises:
        InputError: a file of that name is no kept answer.
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
    """Seconds of processor time that all answers in a cache took; it need not be there.

    Raises:
        InputError: a file is no kept answer.
    """
    return sum(_read(path)["seconds"] for path in sorted(cache.glob("*.json")))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"seconds": float(content["seconds"]), "answer": content["answer"]}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is no answer that was kept; remove it") from None
