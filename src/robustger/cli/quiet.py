"""Keeps libraries from talking over the command line's own output."""

from __future__ import annotations

import logging
import os
import warnings


def quiet_libraries() -> None:
    """No loading bars and no advice from the libraries underneath; errors still come through."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.WARNING, format="robustger: %(message)s")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
