"""Calls a function in a process of its own that may take little memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

_PROGRAM = """
import importlib, resource, sys
from pathlib import Path
{imports}
from robustger.errors import RobustGERError

function = getattr(importlib.import_module({module!r}), {function!r})
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {beyond}, taken + {beyond}))
for path in {paths!r}:
    try:
        function(Path(path))
    except RobustGERError as error:
        print(error)
    else:
        sys.exit(f"{{path}}: no error")
"""


def refusals(function: str, paths: Sequence[object], *, beyond_mib: int, imports: str = "torch") -> list[str]:
    """The lines with which a function refuses each of some paths; fails where it refuses one not deliberately.

    Args:
        function: its module and name, with a dot between.
        paths: are given to the function, one by one.
        beyond_mib: MiB of address space that the process may take beside what it has imported.
        imports: what is imported before, so that its libraries do not count.
    """
    module, _, name = function.rpartition(".")
    program = _PROGRAM.format(
        imports=f"import {imports}",
        module=module,
        function=name,
        beyond=beyond_mib << 20,
        paths=[str(path) for path in paths],
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    lines = result.stdout.splitlines()
    assert len(lines) == len(paths), "an error is not one line"
    return lines
