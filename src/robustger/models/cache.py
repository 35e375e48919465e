"""Keeps converted models in the user's cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from robustger.errors import MissingModelError


def cache_folder() -> Path:
    """The user's cache: `$ROBUSTGER_CACHE`, else `$XDG_CACHE_HOME/robustger`, else `~/.cache/robustger`."""
    if own := os.environ.get("ROBUSTGER_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "robustger"


def converted_once(target: Path, convert: Callable[[Path], None], megabytes: int) -> Path:
    """The folder `target` of the cache, made by `convert` where it is not there yet.

    A lock keeps two processes from doing the work twice; the rename makes the folder appear complete or not at all.

    Args:
        target: a folder whose name tells this conversion from every other.
        convert: writes into the folder it is given; its own errors pass through.
        megabytes: room that the folder needs, for the error message.

    Raises:
        MissingModelError: the cache cannot be written to.
    """
    from filelock import FileLock
    from safetensors import SafetensorError

    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_dir():
                for abandoned in target.parent.glob(f".{target.name}.*"):  # by a conversion that was killed
                    shutil.rmtree(abandoned, ignore_errors=True)
                partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
                try:
                    convert(partial)
                    partial.chmod(0o755)  # others may share the cache
                    os.replace(partial, target)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
    except (OSError, SafetensorError) as error:  # SafetensorError: the disk is full
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise MissingModelError(
            f"{target.parent}: cannot keep the converted model there ({reason}); "
            f"set ROBUSTGER_CACHE to a writable folder with {megabytes} MB free"
        ) from None
    return target
