"""An evaluation as one HTML file: tables, plots, and every utterance with its word differences and its recording."""

from __future__ import annotations

from robustger.evaluation.page.document import PageUtterance, WrittenPage, write_page
from robustger.evaluation.page.players import Player, embedded, linked

__all__ = ["PageUtterance", "Player", "WrittenPage", "embedded", "linked", "write_page"]
