"""Prepares the parts of a training run: model, data, noise, optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from robustger.correction.checkpoint import checkpoint_folder, load_weights, trained_parameters
from robustger.correction.llm.language_model import best_dtype, default_device
from robustger.correction.model import Corrector
from robustger.distillation import DISTILLATIONS, Distillation, DistillationShape
from robustger.errors import InputError
from robustger.text import get_normalizer
from robustger.training.algorithm import Algorithm1
from robustger.training.audio_rows import heard_beside
from robustger.training.checkpoint import Trained
from robustger.training.config import TrainingConfig
from robustger.training.examples import Examples, make_examples
from robustger.training.gradient_checkpointing import checkpoint_layers
from robustger.training.lists import TrainingLists, expanded
from robustger.training.noise_rows import noise_rows
from robustger.training.optimization import Schedule, adapter_optimizer, statistics_optimizer
from robustger.training.parts import DecodedLists, TrainingParts
from robustger.training.processes import Processes, make_accelerator
from robustger.training.run_folder import CACHE, LAST, make_run_folder
from robustger.training.same_run import with_earlier_defaults
from robustger.training.tracking import tracker_of


def prepare_training(
    config: TrainingConfig,
    *,
    make_folder: Callable[[Path], None] = make_run_folder,
    rehearsal: bool = False,
) -> TrainingParts:
    """Prepares a training run, from its configuration to models in memory and noise embeddings on disk.

    Faults of the configuration and the data are reported before anything slow begins.

    Args:
        config: the resolved configuration.
        make_folder: makes the folder of the run; called once the configuration and the data are known to be sound.
        rehearsal: write nothing and embed no noise. Everything is as large as in a run, with zeros for the noise.

    Raises:
        InputError: a file is missing or broken, no list can be trained on, the output folder cannot be written, or
            the configuration names something unknown or contradicts itself.
        MissingModelError: a model is not available.
        MissingExtraError: the tracker, or the package that quantizes the language model, is not installed.
    """
    output = Path(expanded(config.output))
    config = with_earlier_defaults(config, output / LAST)
    _check_evaluation(config)
    objective = _objective(config)
    tracker = tracker_of(config.tracking)
    train_lists = TrainingLists("train", config.data.train)
    dev_lists = TrainingLists("dev", config.data.dev)
    if not rehearsal:
        make_folder(output)

    device = default_device()
    dtype = best_dtype(device) if config.dtype == "auto" else getattr(torch, config.dtype)
    accelerator = make_accelerator(device, output, tracker)
    processes = Processes(accelerator)

    torch.manual_seed(config.seed)
    # On a CPU the backward pass of fused attention takes three times as long as that of plain attention.
    attention = "eager" if device == "cpu" else "sdpa"
    corrector = Corrector.create(config.corrector, dtype, str(processes.device), attention)
    parameters = _trainable(corrector, config)

    cache = Path(expanded(config.data.cache)) if config.data.cache else output / CACHE
    with processes.main_first():
        noise = noise_rows(corrector, (train_lists, dev_lists), cache, config.seed, rehearsal=rehearsal)
    train = make_examples(corrector, train_lists, noise[0], config.data.max_tokens, _needed_audio(objective))
    dev = make_examples(corrector, dev_lists, noise[1], config.data.max_tokens)
    decoded = list(islice(dev_lists, config.evaluation.wer_lists))
    corrector.borrow_noise_among([nbest for _, nbest in decoded])

    optimizer = accelerator.prepare(adapter_optimizer(parameters, config.optimization))
    distillation = _distillation(objective, config, corrector, train, processes)
    theta = dict(distillation.named_parameters()) if distillation else {}
    theta_optimizer = statistics_optimizer(theta.values(), config.optimization, config.distillation.lr_share)
    algorithm = Algorithm1(
        corrector.llm,
        parameters,
        optimizer,
        distillation,
        theta_optimizer,
        weight=config.distillation.weight,
        max_grad_norm=config.optimization.max_grad_norm,
        processes=processes,
        dtype=dtype,
    )
    return TrainingParts(
        config=config,
        output=output,
        accelerator=accelerator,
        processes=processes,
        corrector=corrector,
        parameters=parameters,
        train_lists=train_lists,
        train=train,
        dev=dev,
        decoded=DecodedLists([nbest for _, nbest in decoded], heard_beside(decoded)),
        algorithm=algorithm,
        trained=Trained(corrector, optimizer.optimizer, theta, theta_optimizer),
        schedule=Schedule(len(train), config.optimization),
    )


def _check_evaluation(config: TrainingConfig) -> None:
    get_normalizer(config.evaluation.normalizer)
    if config.evaluation.best_by == "wer" and not (config.evaluation.wer_lists and config.data.dev):
        raise InputError("evaluation.best_by = wer needs data.dev and evaluation.wer_lists > 0")


def _objective(config: TrainingConfig) -> type[Distillation] | None:
    """The distillation objective that the configuration names; None for "none".

    Raises:
        InputError: it is unknown, or the corrector has no language-space noise to teach.
    """
    objective = DISTILLATIONS.get(config.distillation.objective)
    if config.distillation.objective == "none":
        return None
    if config.corrector.variant == "ger":
        raise InputError(
            "distillation.objective: the variant ger sees no noise that could be taught; set corrector.variant to "
            "paper or released, or the objective to none"
        )
    if config.corrector.noise == "audio":
        raise InputError(
            "distillation.objective: with corrector.noise = audio there is no language-space noise that could be "
            "taught; set corrector.noise to real, or the objective to none"
        )
    return objective


def _trainable(corrector: Corrector, config: TrainingConfig) -> Mapping[str, nn.Parameter]:
    """Makes the parameters that training changes ready for it, and returns them by name."""
    if config.optimization.gradient_checkpointing:
        checkpoint_layers(corrector.llm.llm)
    parameters = trained_parameters(corrector.llm)
    for parameter in parameters.values():
        parameter.data = parameter.data.float()  # in bfloat16, small updates would be rounded away
        parameter.requires_grad_(True)
    if config.initial is not None:  # after the change to float32, so that these weights are not rounded
        load_weights(corrector.llm, checkpoint_folder(expanded(config.initial)))
    return parameters


def _needed_audio(objective: type[Distillation] | None) -> tuple[str, ...]:
    """The kinds of audio embeddings that distillation needs of every list."""
    if objective is None:
        return ()
    needed = {"noisy": objective.needs_audio, "clean": objective.needs_clean}
    return tuple(kind for kind, need in needed.items() if need)


def _distillation(
    objective: type[Distillation] | None,
    config: TrainingConfig,
    corrector: Corrector,
    train: Examples,
    processes: Processes,
) -> Distillation | None:
    """The objective with a fresh theta, drawn from the seed of the run."""
    if objective is None:
        return None
    torch.manual_seed(config.seed)
    shape = DistillationShape(
        noise_dimension=corrector.llm.shape.noise_dimension,
        tuned_width=corrector.llm.adapter.tuned_width,
        audio_dimension=train.audio.width if train.audio else 0,
        hidden=config.distillation.hidden,
        output=config.distillation.output,
    )
    return objective(shape).to(processes.device)
