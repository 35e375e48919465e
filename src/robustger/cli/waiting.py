"""Makes the threads of a computation sleep, not spin, while they wait for each other."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# GNU's OpenMP, which torch's wheels for Linux bring, reads the first two; those of Intel and LLVM the first and third.
POLICY, SPINS, BLOCK_TIME = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Has OpenMP's threads sleep while they wait, unless the user chose otherwise.

    A thread that spins keeps a core busy for milliseconds. Where other programs need the cores, the thread that
    everybody waits for is then the one without a core. `benchmarks/waiting.py` measures it. The libraries read these
    variables once, when they are loaded, so this must come before the first import of torch or CTranslate2.

    Args:
        environment: is changed; processes that are started inherit it.
    """
    if not {POLICY, SPINS, BLOCK_TIME} & environment.keys():
        environment[POLICY] = "PASSIVE"
        environment[BLOCK_TIME] = "0"
