"""All that a training run is made of, ready to be used; `robustger.training.preparation` prepares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from torch import nn

from robustger.correction.model import Corrector
from robustger.hypotheses import NBest
from robustger.noise.audio_noise import AudioLookup
from robustger.training.algorithm import Algorithm1, WholeBatch
from robustger.training.batching import TrainingBatch
from robustger.training.checkpoint import Digests, Trained
from robustger.training.config import TrainingConfig
from robustger.training.examples import Examples
from robustger.training.lists import TrainingLists
from robustger.training.optimization import Schedule
from robustger.training.processes import Processes


@dataclass(frozen=True, slots=True)
class DecodedLists:
    """The dev lists that are decoded at each evaluation, for their WER.

    Attributes:
        lists: the first `evaluation.wer_lists` of the dev lists.
        heard: looks up the embedding of their noisy audio.
    """

    lists: Sequence[NBest]
    heard: AudioLookup


@dataclass(frozen=True, slots=True)
class TrainingParts:
    """The parts of one training run.

    Attributes:
        config: the resolved configuration; it is saved beside the checkpoints.
        output: the folder of the run.
        accelerator: knows the trackers.
        processes: the processes that train together, and the device of this one.
        corrector: its adapter, tuner and LoRA are trained; its language model is frozen.
        parameters: the trained parameters of the corrector, in float32, by name.
        train_lists: the lists of data.train, read from disk as often as they are needed.
        train: the examples of data.train, with their noise and audio.
        dev: the examples of data.dev, with their noise.
        decoded: the dev lists that are decoded for their WER.
        algorithm: the two steps of Algorithm 1, with their optimizers.
        trained: everything that a checkpoint saves and restores.
        schedule: steps and learning rates.
    """

    config: TrainingConfig
    output: Path
    accelerator: Accelerator
    processes: Processes
    corrector: Corrector
    parameters: Mapping[str, nn.Parameter]
    train_lists: TrainingLists
    train: Examples
    dev: Examples
    decoded: DecodedLists
    algorithm: Algorithm1
    trained: Trained
    schedule: Schedule

    @property
    def digests(self) -> Digests:
        """Digests of the lists that are trained on, and of those that the run is judged by."""
        return {"train": self.train.digests, "dev": self.dev.digests}

    def whole_batch(self, indices: Sequence[int]) -> WholeBatch | None:
        """E_LN, asr(X_n) and asr(X_c) of training examples, for distillation; None without distillation."""
        if self.algorithm.distillation is None:
            return None
        examples, device = self.train, self.processes.device
        noise = examples.noise.read(examples.places[list(indices)]).to(device)
        embeddings = (examples.audio and examples.audio.read(kind, indices) for kind in ("noisy", "clean"))
        noisy, clean = (None if one is None else one.to(device) for one in embeddings)
        return WholeBatch(noise, noisy, clean)

    @property
    def pad(self) -> int:
        """The token that fills the shorter lists of a micro-batch."""
        return self.corrector.tokenizer.pad_token_id or 0

    def micro_batches(self, examples: Examples, indices: Sequence[int]) -> Iterator[TrainingBatch]:
        """This process's share of some examples, in pieces that go through the language model at once."""
        options = self.config.optimization
        return examples.batches(
            self.processes.share(indices), options.micro_batch_size, options.micro_batch_tokens, self.pad
        )
