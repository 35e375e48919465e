"""The page docs/reference/cli.md says what the commands themselves say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_commands_give() -> None:
    """Where this fails: python docs/command_line_reference.py"""
    program = "import runpy; print(runpy.run_path('docs/command_line_reference.py')['page'](), end='')"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout == (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
