"""Training in several processes: each takes its share of the lists, and their gradients are added up.

`torchrun` and `accelerate launch` start the processes. All hold the same weights and go through the same batches. Of
each batch, every process sends its share of the lists through the language model. Losses are sums over target tokens,
divided by the target tokens of the whole batch, so the sum of the processes' gradients is the gradient of the whole
batch. The trained parameters are few and are added up here: the frozen language model needs no wrapper.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn

from robustger.errors import RobustGERError

# The others wait while the main process embeds noise or decodes lists. They notice at once when a process dies.
LONGEST_WAIT = timedelta(hours=6)
SEED_STRIDE = 0x9E3779B1  # odd, so that it changes the low 32 bits, the only ones that a CPU's generator uses


def make_accelerator(device: str, output: Path, tracker: str | None) -> Accelerator:
    """Joins the other processes, if there are any, and knows the tracker."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return Accelerator(
        # Its own mixed precision would stay on for every later run of this process; see `Algorithm1.autocast`.
        mixed_precision="no",
        cpu=device == "cpu",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=LONGEST_WAIT)] if several else None,
        log_with=tracker,
        project_dir=output,
    )


class Processes:
    """This process among the processes of the run. With a single process, every method is the identity.

    Attributes:
        device: the device of this process.
        count: the number of processes.
        rank: the number of this process; the main process has 0.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.device: torch.device = accelerator.device
        self.count: int = accelerator.num_processes
        self.rank: int = accelerator.process_index

    @property
    def is_main(self) -> bool:
        """Whether this is the main process, the only one that writes and logs."""
        return self.rank == 0

    def share(self, indices: Sequence[int]) -> Sequence[int]:
        """The share of this process. Neighbors, which have similar lengths, go to different processes."""
        return indices[self.rank :: self.count]

    def seed(self, seed: int) -> int:
        """A seed for this process, so that dropout differs between processes; `seed` itself in the main process."""
        return seed + self.rank * SEED_STRIDE

    @torch.no_grad()
    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gives every parameter the sum of its gradients in all processes, or none if no process has one.

        Raises:
            RobustGERError: another process has ended.
        """
        if self.count == 1:
            return
        chosen = list(parameters)
        present = torch.tensor([float(value.grad is not None) for value in chosen], device=self.device)
        parts = [torch.zeros_like(value) if value.grad is None else value.grad for value in chosen]
        total = torch.cat([present, *(part.flatten() for part in parts)])
        self._sum(total)
        counts, *gradients = total.split([len(chosen), *(value.numel() for value in chosen)])
        for value, count, gradient in zip(chosen, counts.tolist(), gradients, strict=True):
            value.grad = gradient.view_as(value) if count else None

    @torch.no_grad()
    def take_from_main(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gives every parameter the value that it has in the main process, bit for bit.

        The same seed may give other weights on another device or version of torch. Nobody would notice, because
        gradients are added up and weights are not.

        Raises:
            RobustGERError: another process has ended.
        """
        if self.count == 1:
            return
        for value in parameters:
            with self._together():
                torch.distributed.broadcast(value.data, src=0)

    def total(self, *values: float) -> list[float]:
        """The sums of numbers over all processes.

        Raises:
            RobustGERError: another process has ended.
        """
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        self._sum(total)
        return total.tolist()

    def in_main(self, task: Callable[[], float | None]) -> float | None:
        """Runs a task in the main process while the others wait; all processes get its number.

        Raises:
            RobustGERError: in the other processes, when the task has failed. The main process raises the task's error.
        """
        if self.count == 1:
            return task()
        number, error = None, None
        if self.is_main:
            try:
                number = task()
            except Exception as raised:  # the others are told first
                error = raised
        failed, known, value = self.total(error is not None, number is not None, number or 0.0)
        if error is not None:
            raise error
        if failed:
            self._follow_main()
        return value if known else None

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process runs the block before the others, which then find the files that it wrote.

        Raises:
            RobustGERError: in the other processes, when the main process has failed.
        """
        if not self.is_main and self.total(0.0)[0]:
            self._follow_main()
        failed = True
        try:
            yield
            failed = False
        finally:
            if self.is_main:
                self.total(float(failed))

    def _follow_main(self) -> NoReturn:
        time.sleep(
            1
        )  # torchrun ends all processes as soon as one ends, and the main process must first print its error
        raise RobustGERError("the main process has stopped; see its message")

    def _sum(self, values: Tensor) -> None:
        with self._together():
            torch.distributed.all_reduce(values)

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise RobustGERError("another process of this run is gone; see its message") from error
