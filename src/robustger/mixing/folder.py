"""Mixes all utterances of a manifest of clean speech into a folder; ids and settings alone decide what is mixed."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from robustger.audio import read_audio, write_audio
from robustger.errors import InputError
from robustger.files import sha256_of, shown_name
from robustger.hypotheses import BadLine
from robustger.hypotheses.values import shown
from robustger.manifest import Utterance, read_manifest
from robustger.mixing.levels import SPEECH_LEVELS
from robustger.mixing.mixture import mix_at_one_gain
from robustger.mixing.noises import NoiseFile
from robustger.mixing.output import MixFolder, file_name, open_output_folder

NOISES_IN_MEMORY = 16
CONTENTS_IN_MEMORY = 4096  # hashes of files: all noises, and recordings that hold many utterances
_AUDIO_FORMATS = ("flac", "wav")


@dataclass(frozen=True, slots=True)
class MixSettings:
    """The settings of a mix: SNRs, kinds of noise, level and format.

    Attributes:
        snrs_db: the SNRs, in dB.
        every_snr: mix every utterance at each SNR, with the same stretch of noise; False draws one SNR per utterance.
        every_noise: mix every utterance with each kind of noise, drawing a recording of the kind; False draws one kind
            per utterance, and then a recording of it.
        level: how the level of speech is measured: "p56" or "rms".
        seed: decides all draws.
        format: of the audio files: "flac" or "wav", both 16 bit.

    Raises:
        InputError: no SNR, one twice, or one that is not between -60 and 60 dB; an unknown level or format.
    """

    snrs_db: tuple[float, ...] = (0.0, 5.0, 10.0, 15.0, 20.0)
    every_snr: bool = True
    every_noise: bool = False
    level: str = "p56"
    seed: int = 0
    format: str = "flac"

    def __post_init__(self) -> None:
        if not self.snrs_db:
            raise InputError("no SNR is given; name at least one, in dB")
        for snr_db in self.snrs_db:
            if not -60 <= snr_db <= 60:
                raise InputError(f"an SNR must lie between -60 and 60 dB, not {snr_db:g}")
        if len(set(self.snrs_db)) < len(self.snrs_db):
            raise InputError("an SNR is given twice; give each once")
        SPEECH_LEVELS.get(self.level)
        if self.format not in _AUDIO_FORMATS:
            raise InputError(f"unknown format {self.format!r}; choose one of: {', '.join(_AUDIO_FORMATS)}")


@dataclass(slots=True)
class MixSummary:
    """Counts the utterances and mixtures of a run.

    Attributes:
        mixtures: rows of the manifest that was written.
        mixed: utterances mixed by this run.
        resumed: utterances that were there from an earlier run.
        problems: lines that could not be read and utterances that could not be mixed.
    """

    mixtures: int = 0
    mixed: int = 0
    resumed: int = 0
    problems: int = 0


@dataclass(frozen=True, slots=True)
class _Planned:
    id: str
    noise: NoiseFile
    snr_db: float
    seed: int


def mix_manifest(
    source: str | Path,
    noises: Sequence[NoiseFile],
    target: str | Path,
    settings: MixSettings,
    *,
    workers: int = 1,
    on_problem: Callable[[int, str], None] = lambda line, message: None,
    on_progress: Callable[[int], object] = lambda utterances: None,
) -> MixSummary:
    """Mixes every utterance of a manifest with noise.

    The mixtures of an utterance depend on its id, the noise recordings and the settings, and not on other utterances,
    their order, the number of workers, or interruptions. An utterance that cannot be mixed is left out and counted.

    The results of an earlier run are kept if they were made from the same: the same text, times and `meta`, the same
    bytes in the files of speech and noise, wherever the speech lies and however old they are. Else it is made again.

    Args:
        source: manifest of clean speech, as for `read_manifest`.
        noises: from `find_noises` or `split_noises`; at least one.
        target: a folder that does not exist, is empty, or holds what an earlier run with the same settings and noises
            made.
        settings: the settings of the mixtures.
        workers: threads.
        on_problem: called with the line number and what is wrong with it.
        on_progress: called with the number of utterances just finished.

    Raises:
        InputError: the manifest cannot be opened or is empty, the target holds anything else, or another process is
            mixing into it.
    """
    if not noises:
        raise InputError("no noise is given; name at least one recording")
    lines = read_manifest(source)
    first = next(lines, None)
    if first is None:
        raise InputError(f"{shown_name(source)}: names no recordings; give one line for each")
    lines = chain([first], lines)
    remembered = asdict(settings) | {
        "snrs_db": list(settings.snrs_db),
        "noises": [noise.name for noise in noises],
    }
    with open_output_folder(Path(target), remembered) as folder:
        return _mix_into(folder, lines, noises, settings, workers, on_problem, on_progress)


def _mix_into(
    folder: MixFolder,
    lines: Iterable[tuple[int, Utterance | BadLine]],
    noises: Sequence[NoiseFile],
    settings: MixSettings,
    workers: int,
    on_problem: Callable[[int, str], None],
    on_progress: Callable[[int], object],
) -> MixSummary:
    summary = MixSummary()
    finished: list[str] = []

    def work(value: Utterance, plan: list[_Planned]) -> list[dict[str, Any]] | None:
        made_from = _made_from(value, plan, content)
        if folder.has(value.id, [one.id for one in plan], made_from):
            return None
        forget(value.id)
        return _mix_one(value, plan, made_from, settings, folder.path, read_noise)

    def forget(id_: str) -> None:
        if folder.knows(id_):
            record(id_, [])

    def problem(number: int, message: str, id_: str | None = None) -> None:
        if id_ is not None:
            forget(id_)
        summary.problems += 1
        on_problem(number, message)

    read_noise = lru_cache(NOISES_IN_MEMORY)(read_audio)
    content = lru_cache(CONTENTS_IN_MEMORY)(sha256_of)
    with folder.journal() as record, ThreadPoolExecutor(workers) as pool:
        try:
            jobs = _jobs(lines, noises, settings, problem)
            for number, value, future in _in_order(pool, work, jobs, ahead=4 * workers):
                try:
                    rows = future.result()
                except InputError as error:
                    problem(number, str(error), value.id)
                else:
                    if rows is not None:
                        record(value.id, rows)
                    summary.mixed += rows is not None
                    summary.resumed += rows is None
                    finished.append(value.id)
                on_progress(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    summary.mixtures = folder.finish(finished)
    return summary


def _jobs(
    lines: Iterable[tuple[int, Utterance | BadLine]],
    noises: Sequence[NoiseFile],
    settings: MixSettings,
    problem: Callable[..., None],
) -> Iterator[tuple[int, Utterance, list[_Planned]]]:
    """The utterances that can be mixed, with the mixtures they get."""
    kinds: dict[str, list[NoiseFile]] = {}
    for noise in noises:
        kinds.setdefault(noise.label, []).append(noise)
    owners: dict[str, str] = {}  # two ids can lead to one name: "a" with noise "b_c", "a_b" with noise "c"
    for number, value in lines:
        if isinstance(value, BadLine):
            problem(number, value.message)
            continue
        plan = _plan(value.id, kinds, settings)
        others = {owners[one.id] for one in plan if one.id in owners}
        if value.noise is not None or value.snr_db is not None or value.clean_audio is not None:
            problem(number, f"{shown(value.id)} has noise already; mix clean speech", value.id)
        elif others:
            clash = f"its mixtures would be called like those of {shown(min(others))}"
            problem(number, f"{shown(value.id)}: {clash}; change an id", value.id)
        else:
            owners.update((one.id, value.id) for one in plan)
            yield number, value, plan


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[Utterance, list[_Planned]], Any],
    jobs: Iterable[tuple[int, Utterance, list[_Planned]]],
    ahead: int,
) -> Iterator[tuple[int, Utterance, Future]]:
    """Yields every job with its future, in order. A few jobs are submitted ahead, so that memory stays constant."""
    waiting: deque[tuple[int, Utterance, Future]] = deque()
    for number, value, plan in jobs:
        waiting.append((number, value, pool.submit(work, value, plan)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


def _plan(id_: str, kinds: Mapping[str, Sequence[NoiseFile]], settings: MixSettings) -> list[_Planned]:
    """Plans the mixtures of an utterance from hashes of its id, so that other utterances do not matter."""
    labels = sorted(kinds)
    chosen = labels if settings.every_noise else [labels[_hash(settings.seed, id_, "kind") % len(labels)]]
    plan = []
    for label in chosen:
        kind = kinds[label]
        noise = kind[_hash(settings.seed, id_, "recording", label) % len(kind)]
        drawn = settings.snrs_db[_hash(settings.seed, id_, "snr", label) % len(settings.snrs_db)]
        for snr_db in settings.snrs_db if settings.every_snr else [drawn]:
            name = f"{id_}_{label}_{snr_db:g}dB"
            plan.append(_Planned(name, noise, float(snr_db), _hash(settings.seed, id_, "offset", label)))
    return plan


def _hash(seed: int, *names: str) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps([seed, *names]).encode()).digest()[:8])


def _made_from(utterance: Utterance, plan: list[_Planned], content: Callable[[Path], str]) -> str:
    """A hash of everything besides settings and ids that an utterance's rows and audio depend on.

    Raises:
        InputError: a file cannot be read.
    """
    parts = [utterance.text, utterance.meta, utterance.start, utterance.end, content(utterance.audio)]
    parts += [content(one.noise.path) for one in plan]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _mix_one(
    utterance: Utterance,
    plan: list[_Planned],
    made_from: str,
    settings: MixSettings,
    folder: Path,
    read_noise: Callable[[Path], np.ndarray],
) -> list[dict[str, Any]]:
    clean = read_audio(utterance.audio, start=utterance.start, end=utterance.end)
    parts = [(read_noise(one.noise.path), one.snr_db, one.seed) for one in plan]
    try:
        mixtures = mix_at_one_gain(clean, parts, settings.level)
    except InputError as error:
        names = ", ".join(dict.fromkeys(one.noise.name for one in plan))
        raise InputError(f"{utterance.audio} with {names}: {error}") from None
    clean_path = folder / "clean" / file_name(utterance.id, settings.format)
    write_audio(clean_path, mixtures[0].clean)
    rows = []
    for one, mixture in zip(plan, mixtures, strict=True):
        path = folder / "noisy" / file_name(one.id, settings.format)
        write_audio(path, mixture.samples)
        made = {
            "source_id": utterance.id,
            "noise_file": one.noise.name,
            "noise_offset_seconds": mixture.noise_offset_seconds,
            "achieved_snr_db": round(mixture.snr_db, 4),
            "gain_db": round(mixture.gain_db, 4),
            "made_from": made_from,
        }
        noisy = Utterance(
            one.id,
            path,
            text=utterance.text,
            clean_audio=clean_path,
            noise=one.noise.label,
            snr_db=one.snr_db,
            meta={**utterance.meta, "mix": made},
        )
        rows.append(noisy.to_dict(folder))
    return rows
