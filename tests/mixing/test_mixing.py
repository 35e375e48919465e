"""Mixing: the SNR is what it says, nothing clips, and nothing but id, noises and settings decides what comes out."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from robustger.audio import read_audio, write_audio
from robustger.errors import InputError
from robustger.manifest import Utterance, load_manifest, save_manifest
from robustger.mixing import (
    RECIPES,
    MixSettings,
    MixSummary,
    active_speech_level,
    find_noises,
    measured_snr,
    mix,
    mix_manifest,
    rms_level,
    split_noises,
)
from robustger.mixing.output import file_name

RATE = 16_000
needs_data = pytest.mark.skipif("ROBUSTGER_DATA" not in os.environ, reason="ROBUSTGER_DATA is not set")


def speech(seconds: float, seed: int, peak: float = 0.5) -> np.ndarray:
    """Bursts of noise with pauses between: to a level meter, speech."""
    generator = np.random.default_rng(seed)
    length = max(1, int(seconds * RATE))
    knots = np.arange(length // 1600 + 2)
    loudness = np.interp(np.arange(length), 1600 * knots, generator.random(len(knots)) ** 4)
    samples = generator.standard_normal(length) * (loudness + 1e-3)
    return (samples / np.abs(samples).max() * peak).astype(np.float32)


def level_by_the_recommendation(samples: np.ndarray, sample_rate: int) -> float:
    """Method B of ITU-T P.56 as it is written down: sample by sample, a counter for each of 15 thresholds."""
    decay = math.exp(-1 / (0.03 * sample_rate))
    hangover = math.ceil(0.2 * sample_rate)
    thresholds = [2.0**-exponent for exponent in range(15, 0, -1)]
    activity, idle = [0] * 15, [hangover] * 15
    p = q = energy = 0.0
    for sample in samples.tolist():
        energy += sample * sample
        p = decay * p + (1 - decay) * abs(sample)
        q = decay * q + (1 - decay) * p
        for number, threshold in enumerate(thresholds):
            if q >= threshold:
                activity[number] += 1
                idle[number] = 0
            elif idle[number] < hangover:
                activity[number] += 1
                idle[number] += 1
    levels = [10 * math.log10(energy / count) for count in activity if count]
    above = [level - 20 * math.log10(thresholds[number]) for number, level in enumerate(levels)]
    for number in range(1, len(above)):
        if above[number] <= 15.9:
            weight = (above[number - 1] - 15.9) / (above[number - 1] - above[number])
            return levels[number - 1] + weight * (levels[number] - levels[number - 1])
    raise AssertionError("no threshold is 15.9 dB below the level")


@pytest.mark.parametrize(("seed", "rate", "peak"), [(0, 8000, 0.9), (1, 16000, 0.2), (2, 16000, 0.05)])
def test_active_level_is_that_of_the_recommendation(seed: int, rate: int, peak: float) -> None:
    samples = speech(2.0, seed, peak)
    assert active_speech_level(samples, rate) == pytest.approx(
        level_by_the_recommendation(samples, rate), abs=1e-6
    )


def test_active_level_of_a_steady_tone_is_its_rms() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 400 * np.arange(10 * RATE) / RATE)
    assert active_speech_level(tone) == pytest.approx(20 * math.log10(0.3 / math.sqrt(2)), abs=0.05)
    assert rms_level(tone) == pytest.approx(20 * math.log10(0.3 / math.sqrt(2)), abs=1e-3)


def test_pauses_do_not_make_speech_quieter() -> None:
    burst, pause = speech(2.0, 3), np.zeros(4 * RATE, np.float32)
    padded = np.concatenate([pause, burst, pause])
    assert active_speech_level(padded) == pytest.approx(active_speech_level(burst), abs=0.5)
    assert rms_level(padded) == pytest.approx(rms_level(burst) - 10 * math.log10(5), abs=1e-3)


@given(seed=st.integers(0, 50), doublings=st.integers(-30, 5))
def test_a_gain_of_two_is_6_02_db(seed: int, doublings: int) -> None:
    samples = speech(0.5, seed)
    moved = active_speech_level(samples.astype(np.float64) * 2.0**doublings)
    assert moved == pytest.approx(active_speech_level(samples) + 20 * math.log10(2) * doublings, abs=1e-9)


@pytest.mark.parametrize("samples", [np.zeros(100), np.zeros(0)])
@pytest.mark.parametrize("level", [active_speech_level, rms_level])
def test_silence_has_no_level(samples: np.ndarray, level: Callable[[np.ndarray], float]) -> None:
    with pytest.raises(InputError, match="silence has no level"):
        level(samples)


@pytest.mark.parametrize("length", [1, 2, 5, 4000])
def test_a_click_has_a_level(length: int) -> None:
    click = np.zeros(length)
    click[0] = 1.0
    assert math.isfinite(active_speech_level(click))


@settings(max_examples=60)
@given(
    seconds=st.floats(
        0.2, 3.0
    ),  # in faint speech shorter than the hangover of P.56, the level may hang on one bit
    noise_seconds=st.floats(0.01, 3.0),
    peak=st.floats(1e-3, 1.0),
    noise_peak=st.floats(1e-3, 1.0),
    snr_db=st.floats(-20, 30),
    level=st.sampled_from(["p56", "rms"]),
    seed=st.integers(0, 2**63),
)
@example(2.0, 1.0, 1e-3, 1.0, 30.0, "p56", 0)  # noise below one step of 16 bit, were it not amplified
@example(2.0, 1.0, 1.0, 1e-3, -20.0, "p56", 0)  # would clip by 30 dB
@example(0.08279302762648298, 1.0, 0.01, 1.0, 0.0, "p56", 0)  # rounding moves the level of the speech
def test_snr_is_exact_and_nothing_clips(
    tmp_path_factory: pytest.TempPathFactory,
    seconds: float,
    noise_seconds: float,
    peak: float,
    noise_peak: float,
    snr_db: float,
    level: str,
    seed: int,
) -> None:
    clean, noise = speech(seconds, 1, peak), speech(noise_seconds, 2, noise_peak)
    mixture = mix(clean, noise, snr_db, seed=seed, level=level)
    assert mixture.snr_db == pytest.approx(snr_db, abs=0.05)
    assert np.abs(mixture.samples).max() <= 0.9901
    # The partner is what was given, times the gain, to half a step of 16 bit.
    np.testing.assert_allclose(mixture.clean, clean * 10 ** (mixture.gain_db / 20), atol=0.5001 / 32768)
    # What was added is the noise from the offset on, at some gain.
    offset = round(mixture.noise_offset_seconds * RATE)
    stretch = np.take(noise, np.arange(offset, offset + len(clean)), mode="wrap")
    added = mixture.samples.astype(np.float64) - mixture.clean
    scale = np.sqrt(np.square(added).sum() / np.square(stretch, dtype=np.float64).sum())
    np.testing.assert_allclose(added, stretch * scale, atol=2.1 / 32768, rtol=1e-2)
    # Files hold the same SNR.
    folder = tmp_path_factory.mktemp("mixture")
    write_audio(folder / "noisy.flac", mixture.samples)
    np.testing.assert_array_equal(read_audio(folder / "noisy.flac"), mixture.samples)
    assume(np.abs(mixture.clean).max() > 1e-4)  # below, a recording counts as silent and is not read
    write_audio(folder / "clean.wav", mixture.clean)
    measured = measured_snr(read_audio(folder / "noisy.flac"), read_audio(folder / "clean.wav"), level=level)
    assert measured == pytest.approx(snr_db, abs=0.05)


def test_the_seed_decides_where_noise_is_taken_from() -> None:
    clean, noise = speech(1.0, 1), speech(9.0, 2)
    offsets = {mix(clean, noise, 5, seed=seed).noise_offset_seconds for seed in range(20)}
    assert len(offsets) == 20
    assert all(0 <= offset <= 8 for offset in offsets)
    again = mix(clean, noise, 5, seed=3)
    np.testing.assert_array_equal(again.samples, mix(clean, noise, 5, seed=3).samples)


def test_pauses_of_the_noise_are_not_taken_for_noise() -> None:
    bark = np.zeros(5 * RATE, np.float32)
    bark[:8000] = speech(0.5, 5)
    for seed in range(20):
        offset = mix(speech(0.5, 1), bark, 5, seed=seed).noise_offset_seconds
        assert offset <= 0.5
    click = np.zeros(60 * RATE, np.float32)
    click[7] = 1
    with pytest.raises(InputError, match="the noise is almost nothing but pauses"):
        mix(speech(0.1, 1), click, 5)


@pytest.mark.parametrize(
    ("clean", "noise", "snr_db", "level", "message"),
    [
        (np.zeros(9, np.float32), speech(1, 1), 5, "p56", "clean speech: silent"),
        (speech(1, 1), np.zeros(9, np.float32), 5, "p56", "noise: silent"),
        (speech(1, 1), np.zeros(0, np.float32), 5, "p56", "noise: empty"),
        (speech(1, 1), speech(1, 1) * np.nan, 5, "p56", "noise: .*NaN"),
        (speech(1, 1), speech(1, 1), math.nan, "p56", "an SNR must be finite, not nan"),
        (speech(1, 1), speech(1, 1), 5, "loud", "unknown speech level 'loud'; choose one of: p56, rms"),
        (speech(1, 1), speech(1, 1), 99, "p56", "16 bits cannot hold this speech with noise at 99 dB"),
    ],
)
def test_what_cannot_be_mixed(
    clean: np.ndarray, noise: np.ndarray, snr_db: float, level: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        mix(clean, noise, snr_db, level=level)


def test_measuring_needs_a_partner_of_the_same_length() -> None:
    with pytest.raises(InputError, match="its clean partner"):
        measured_snr(speech(1, 1), speech(2, 1))


@needs_data
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_the_labels_of_noizeus(every: int) -> None:
    """P.56 of the clean file less the RMS of what was added is what the label says; slow: in all 960 noisy files."""
    folder = Path(os.environ["ROBUSTGER_DATA"]) / "audio" / "noizeus"
    count = 0
    for sentence in sorted((folder / "clean").glob("*.wav"))[::every]:
        clean, rate = soundfile.read(sentence)
        size = 2 ** (2 * len(clean)).bit_length()
        for path in folder.glob(f"noisy/*/{sentence.stem}_*.wav"):
            noisy, _ = soundfile.read(path)
            assert len(noisy) == len(clean)
            # The partner is in it at gain 1 and without a shift, else the difference would not be the noise.
            spectrum = np.fft.rfft(noisy, size) * np.conj(np.fft.rfft(clean, size))
            assert np.argmax(np.fft.irfft(spectrum)) == 0
            assert np.vdot(noisy, clean) / np.vdot(clean, clean) == pytest.approx(1, abs=0.05)
            label = int(path.parent.name.rpartition("_")[2].removesuffix("dB"))
            # The largest deviation found is 0.018 dB, at each of 0, 5, 10 and 15 dB.
            assert measured_snr(noisy, clean, sample_rate=rate) == pytest.approx(label, abs=0.05)
            count += 1
    assert count == 960 / every


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine clean utterances, one of them loud, and noise of three kinds."""
    folder = tmp_path_factory.mktemp("world")
    for kind, count in (("rain", 3), ("siren", 2)):
        (folder / "noise" / kind).mkdir(parents=True)
        for number in range(count):
            write_audio(folder / "noise" / kind / f"{number}.wav", speech(0.7 + number, 10 * count + number))
    write_audio(folder / "noise" / "hum.flac", speech(2, 99))
    (folder / "noise" / "README.txt").write_text("not noise")
    (folder / "noise" / ".hidden.wav").write_text("not noise")
    clean = []
    for number in range(9):
        path = folder / f"{number}.wav"
        write_audio(path, speech(0.4 + 0.1 * number, number, 1.0 if number == 4 else 0.1))
        clean.append(Utterance(f"s/{number}", path, text=f"sentence {number}", meta={"voice": "v"}))
    clean[8] = Utterance("part", folder / "8.wav", start=0.25, end=0.75)
    save_manifest(clean, folder / "clean.jsonl")
    return folder


def run(
    world: Path,
    target: Path,
    manifest: Path | None = None,
    workers: int = 1,
    on_progress: Callable[[int], object] = lambda utterances: None,
    **changes: object,
) -> MixSummary:
    given = {"snrs_db": (-5.0, 5.0), **changes}
    return mix_manifest(
        manifest or world / "clean.jsonl",
        find_noises([world / "noise"]),
        target,
        MixSettings(**given),  # type: ignore[arg-type]
        workers=workers,
        on_progress=on_progress,
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_manifest_is_mixed(world: Path, tmp_path: Path) -> None:
    summary = run(world, tmp_path / "out", every_noise=True)
    assert (summary.mixtures, summary.mixed, summary.resumed, summary.problems) == (54, 9, 0, 0)
    rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
    assert [row.id for row in rows[:6]] == [
        f"s/0_{noise}_{snr}dB" for noise in ("hum", "rain", "siren") for snr in (-5, 5)
    ]
    gains = set()
    for row in rows:
        assert row.clean_audio is not None
        made = row.meta["mix"]
        noisy, partner = read_audio(row.audio), read_audio(row.clean_audio)
        assert measured_snr(noisy, partner) == pytest.approx(row.snr_db, abs=0.05)
        assert made["achieved_snr_db"] == pytest.approx(measured_snr(noisy, partner), abs=1e-4)
        noise = read_audio(world / made["noise_file"])
        offset = round(made["noise_offset_seconds"] * RATE)
        stretch = np.take(noise, np.arange(offset, offset + len(noisy)), mode="wrap")
        assert np.corrcoef(noisy - partner, stretch)[0, 1] > 0.999
        source = world / "8.wav" if row.id.startswith("part") else world / f"{row.id[2]}.wav"
        original = read_audio(source)[4000:12000] if row.id.startswith("part") else read_audio(source)
        np.testing.assert_allclose(partner, original * 10 ** (made["gain_db"] / 20), atol=1 / 32768)
        gains.add(made["gain_db"])
        if row.id.startswith("s/"):
            assert (row.text, row.meta["voice"]) == (f"sentence {row.id[2]}", "v")
        assert (row.start, row.end) == (None, None)
    assert len(gains) > 1  # the loud one would have clipped
    by_snr = [[row.meta["mix"][key] for key in ("noise_file", "noise_offset_seconds")] for row in rows]
    assert by_snr[::2] == by_snr[1::2]  # only the SNR differs


def test_drawn_mixtures(world: Path, tmp_path: Path) -> None:
    summary = run(world, tmp_path / "out", every_snr=False, snrs_db=(0.0, 5.0, 10.0))
    rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
    assert summary.mixtures == len(rows) == 9
    assert len({row.snr_db for row in rows}) > 1
    assert len({row.noise for row in rows}) > 1
    run(world, tmp_path / "other", every_snr=False, snrs_db=(0.0, 5.0, 10.0), seed=1)
    other = load_manifest(tmp_path / "other" / "manifest.jsonl")
    assert [row.id for row in rows] != [row.id for row in other]


def test_neither_order_nor_workers_matter(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "one")
    run(world, tmp_path / "three", workers=3)
    assert tree(tmp_path / "one") == tree(tmp_path / "three")
    save_manifest(load_manifest(world / "clean.jsonl")[:2:-1], tmp_path / "some.jsonl")
    run(world, tmp_path / "reversed", tmp_path / "some.jsonl")
    whole, some = tree(tmp_path / "one"), tree(tmp_path / "reversed")
    rows = sorted(some.pop("manifest.jsonl").splitlines())
    assert set(rows) < set(whole.pop("manifest.jsonl").splitlines())
    assert some.items() < whole.items()


def interrupted(world: Path, target: Path, after: int, torn: int) -> None:
    """A run that ends when `after` utterances are finished, the last bytes of its journal lost."""

    def interrupt(utterances: int) -> None:
        nonlocal after
        after -= utterances
        if after <= 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(world, target, on_progress=interrupt)
    journal = target / "rows.partial.jsonl"
    journal.write_bytes(journal.read_bytes()[: -torn or None])
    assert not (target / "manifest.jsonl").exists()


@pytest.mark.parametrize("torn", [0, 1, 30])
def test_an_interrupted_run_goes_on(world: Path, tmp_path: Path, torn: int) -> None:
    run(world, tmp_path / "whole")
    interrupted(world, tmp_path / "out", after=2, torn=torn)
    interrupted(world, tmp_path / "out", after=5, torn=0)
    summary = run(world, tmp_path / "out")
    assert (summary.mixed, summary.resumed) == (4, 5)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert run(world, tmp_path / "out").resumed == 9
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_killed_runs_end_with_the_same_bytes(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "whole")
    code = (
        "import sys, time\n"
        "from robustger.mixing import *\n"
        "mix_manifest(sys.argv[1], find_noises([sys.argv[2]]), sys.argv[3], MixSettings(snrs_db=(-5.0, 5.0)),"
        " workers=2, on_progress=lambda utterances: time.sleep(0.05))\n"
    )
    target = tmp_path / "out"
    for lines in (1, 3, 6):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(world / "clean.jsonl"), str(world / "noise"), str(target)]
        )
        journal = target / "rows.partial.jsonl"
        while process.poll() is None and (not journal.is_file() or journal.read_bytes().count(b"\n") < lines):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (target / "noisy" / ".robustger-0123.partial").touch()  # as a kill in the middle of a file leaves it
    run(world, target)
    assert tree(target) == tree(tmp_path / "whole")


def test_lost_audio_is_made_again(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "out")
    before = tree(tmp_path / "out")
    next((tmp_path / "out" / "noisy").iterdir()).unlink()
    assert run(world, tmp_path / "out").mixed == 1
    assert tree(tmp_path / "out") == before


def own_world(world: Path, tmp_path: Path) -> Path:
    """A copy whose files may be changed."""
    return Path(shutil.copytree(world, tmp_path / "world"))


def changed_lines(manifest: Path, changes: dict[int, dict[str, object]]) -> None:
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    for number, change in changes.items():
        lines[number] |= change
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def new_text(world: Path) -> int:
    changed_lines(world / "clean.jsonl", {0: {"text": "another sentence"}, 1: {"text": None}})
    return 2


def new_meta(world: Path) -> int:
    changed_lines(world / "clean.jsonl", {3: {"meta": {"voice": "w"}}})
    return 1


def new_times(world: Path) -> int:
    changed_lines(world / "clean.jsonl", {8: {"start": 0.3}, 7: {"end": 1.0}})
    return 2


def new_speech(world: Path) -> int:
    before = (world / "2.wav").stat()
    write_audio(world / "2.wav", speech(0.6, 77, 0.1))  # as long as it was, and no younger
    os.utime(world / "2.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (world / "2.wav").stat().st_size == before.st_size
    return 1


def new_noise(world: Path) -> int:
    write_audio(world / "noise" / "hum.flac", speech(2, 98))
    return 0  # of the utterances that the hum was drawn for


def same_speech_elsewhere(world: Path) -> int:
    (world / "2.wav").rename(world / "two.wav")
    os.utime(world / "two.wav", ns=(0, 0))
    changed_lines(world / "clean.jsonl", {2: {"audio": "two.wav"}})
    return 0


@pytest.mark.parametrize(
    ("change", "killed"),
    [
        (new_text, False),
        (new_meta, False),
        (new_times, False),
        (new_speech, False),
        (new_speech, True),
        (new_noise, False),
        (same_speech_elsewhere, False),
    ],
)
def test_what_has_changed_is_made_again_and_nothing_else(
    world: Path, tmp_path: Path, change: Callable[[Path], int], killed: bool
) -> None:
    world = own_world(world, tmp_path)
    run(world, tmp_path / "out")
    if killed:  # all is in the journal alone
        interrupted(world, tmp_path / "killed", after=9, torn=0)
        (tmp_path / "out").rename(tmp_path / "whole")
        (tmp_path / "killed").rename(tmp_path / "out")
    rows = load_manifest(tmp_path / ("whole" if killed else "out") / "manifest.jsonl")
    affected = change(world) or len({row.meta["mix"]["source_id"] for row in rows if row.noise == "hum"})
    affected = 0 if change is same_speech_elsewhere else affected
    assert affected < 9
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*")}
    summary = run(world, tmp_path / "out")
    assert (summary.mixed, summary.resumed, summary.mixtures) == (affected, 9 - affected, 18)
    written = {path.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert len(written) == 3 * affected  # one clean file and two mixtures of each
    run(world, tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert run(world, tmp_path / "out").resumed == 9


def test_a_change_taken_back_after_a_kill_leaves_nothing_of_it(world: Path, tmp_path: Path) -> None:
    world = own_world(world, tmp_path)
    original = (world / "0.wav").read_bytes()
    run(world, tmp_path / "out")
    before = tree(tmp_path / "out")
    write_audio(world / "0.wav", speech(0.4, 77, 0.1))
    # Killed when the files of the new speech are there, and before their rows are.
    code = (
        "import os, sys\n"
        "from robustger.mixing import *\n"
        "from robustger.mixing import folder\n"
        "mixed = folder._mix_one\n"
        "folder._mix_one = lambda *given: (mixed(*given), os._exit(9))\n"
        "mix_manifest(sys.argv[1], find_noises([sys.argv[2]]), sys.argv[3], MixSettings(snrs_db=(-5.0, 5.0)))\n"
    )
    arguments = [str(world / "clean.jsonl"), str(world / "noise"), str(tmp_path / "out")]
    assert subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode == 9
    assert (
        tree(tmp_path / "out")["clean/" + file_name("s/0", "flac")]
        != before["clean/" + file_name("s/0", "flac")]
    )
    (world / "0.wav").write_bytes(original)
    assert run(world, tmp_path / "out").mixed == 1
    assert tree(tmp_path / "out") == before


def test_what_can_no_longer_be_mixed_leaves_the_manifest(world: Path, tmp_path: Path) -> None:
    world = own_world(world, tmp_path)
    run(world, tmp_path / "out")
    original = (world / "3.wav").read_bytes()
    for spoil in (lambda path: path.write_text("no audio"), Path.unlink):
        spoil(world / "3.wav")
        summary = run(world, tmp_path / "out")
        assert (summary.mixed, summary.resumed, summary.problems, summary.mixtures) == (0, 8, 1, 16)
        rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
        assert "s/3" not in {row.meta["mix"]["source_id"] for row in rows}
    (world / "3.wav").write_bytes(original)
    assert run(world, tmp_path / "out").mixed == 1
    run(world, tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


def test_speech_that_got_noise_leaves_the_manifest(world: Path, tmp_path: Path) -> None:
    world = own_world(world, tmp_path)
    run(world, tmp_path / "out")
    changed_lines(world / "clean.jsonl", {5: {"noise": "rain"}})
    summary = run(world, tmp_path / "out")
    assert (summary.resumed, summary.problems, summary.mixtures) == (8, 1, 16)
    rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
    assert "s/5" not in {row.meta["mix"]["source_id"] for row in rows}


def test_rows_that_do_not_say_what_they_were_made_from_are_made_again(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "out")
    before = tree(tmp_path / "out")
    path = tmp_path / "out" / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows[:4]:
        del row["meta"]["mix"]["made_from"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    summary = run(world, tmp_path / "out")
    assert (summary.mixed, summary.resumed) == (2, 7)
    assert tree(tmp_path / "out") == before


def test_a_folder_grows_with_its_manifest(world: Path, tmp_path: Path) -> None:
    save_manifest(load_manifest(world / "clean.jsonl")[:4], tmp_path / "some.jsonl")
    run(world, tmp_path / "out", tmp_path / "some.jsonl")
    assert run(world, tmp_path / "out").resumed == 4
    run(world, tmp_path / "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert (
        run(world, tmp_path / "out", tmp_path / "some.jsonl").mixtures == 18
    )  # what is there is not forgotten


def test_other_settings_and_other_folders_are_refused(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "out")
    before = tree(tmp_path / "out")
    with pytest.raises(InputError, match=r"was mixed with other seed \(0 then, 1 now\)"):
        run(world, tmp_path / "out", seed=1)
    with pytest.raises(InputError, match="was mixed with other noises; name a new folder"):
        mix_manifest(
            world / "clean.jsonl",
            find_noises([world / "noise"])[:2],
            tmp_path / "out",
            MixSettings(snrs_db=(-5.0, 5.0)),
        )
    assert tree(tmp_path / "out") == before
    with pytest.raises(InputError, match="is not empty, and not from `robustger mix`"):
        run(world, world)
    with pytest.raises(InputError, match=r"cannot be made: the folder .*none does not exist"):
        run(world, tmp_path / "none" / "out")
    (tmp_path / "out" / "mix.json").write_text("{")
    with pytest.raises(InputError, match="cannot be used: not what was written there"):
        run(world, tmp_path / "out")


def test_bad_items_are_told_and_the_others_are_mixed(world: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (world / "clean.jsonl").read_text().splitlines()]
    for line in lines:
        line["audio"] = str(world / line["audio"])
    (tmp_path / "text.wav").write_text("no audio")
    lines[1]["audio"] = str(tmp_path / "text.wav")
    lines[2]["audio"] = str(tmp_path / "none.wav")
    lines[3]["end"] = 99.0
    lines[5]["noise"] = "rain"
    lines[6]["id"] = lines[0]["id"]
    path = tmp_path / "clean.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told: list[tuple[int, str]] = []
    summary = mix_manifest(
        path,
        find_noises([world / "noise"]),
        tmp_path / "out",
        MixSettings(),
        on_problem=lambda line, message: told.append((line, message)),
        workers=2,
    )
    assert sorted(line for line, _ in told) == [2, 3, 4, 6, 7]
    assert (summary.problems, summary.mixed) == (5, 4)
    messages = dict(told)
    assert "text.wav" in messages[2]
    assert "none.wav" in messages[3]
    assert messages[6] == "'s/5' has noise already; mix clean speech"
    rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
    assert {row.meta["mix"]["source_id"] for row in rows} == {"s/0", "s/4", "s/7", "part"}
    lines[2]["audio"] = str(world / "2.wav")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = mix_manifest(path, find_noises([world / "noise"]), tmp_path / "out", MixSettings())
    assert (again.problems, again.mixed, again.resumed) == (4, 1, 4)


def test_ids_never_share_a_file(world: Path, tmp_path: Path) -> None:
    ids = ["a", "A/a", "A_a", "A:a", "..", ".", "ä", "x" * 300, "x" * 301, "../../up", "-"]
    save_manifest([Utterance(id_, world / "0.wav") for id_ in ids], tmp_path / "odd.jsonl")
    run(world, tmp_path / "out", tmp_path / "odd.jsonl", snrs_db=(0.0,))
    rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
    files = {path for row in rows for path in (row.audio, row.clean_audio)}
    assert len(files) == 2 * len(ids)
    assert all(path and path.is_file() and path.parent.parent == tmp_path / "out" for path in files)


def test_noises_have_kinds(world: Path) -> None:
    found = find_noises([world / "noise", world / "0.wav"])
    assert [(noise.name, noise.label) for noise in found] == [
        ("0.wav", "0"),
        ("noise/hum.flac", "hum"),
        ("noise/rain/0.wav", "rain"),
        ("noise/rain/1.wav", "rain"),
        ("noise/rain/2.wav", "rain"),
        ("noise/siren/0.wav", "siren"),
        ("noise/siren/1.wav", "siren"),
    ]
    assert find_noises([world / "noise" / "rain", world / "noise" / "rain" / "." / "0.wav"])
    with pytest.raises(InputError, match="no such file or folder"):
        find_noises([world / "nothing"])
    with pytest.raises(InputError, match=r"is called '0\.wav' like"):
        find_noises([world / "0.wav", world / "noise" / "rain" / "0.wav"])


def test_a_folder_without_noise(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no audio files in this folder"):
        find_noises([tmp_path])


@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    fraction=st.floats(0.01, 0.99),
)
def test_train_and_test_noise_never_meet(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], fraction: float
) -> None:
    assume(sum(counts) > 1)
    folder = tmp_path_factory.mktemp("noise")
    for kind, count in enumerate(counts):
        for number in range(count):
            path = folder / f"kind{kind}" / f"{number}.wav"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    noises = find_noises([folder])
    train, test = (split_noises(noises, part, fraction) for part in ("train", "test"))
    assert sorted([*train, *test], key=lambda noise: noise.name) == noises == split_noises(noises, "all")
    several = {f"kind{kind}" for kind, count in enumerate(counts) if count > 1}
    assert several <= {noise.label for noise in train}
    assert several <= {noise.label for noise in test}


def test_one_noise_cannot_be_split(world: Path) -> None:
    (noise,) = find_noises([world / "0.wav"])
    assert split_noises([noise], "train") == [noise]
    with pytest.raises(InputError, match="no noise recording is left for 'test'"):
        split_noises([noise], "test")
    with pytest.raises(InputError, match="unknown split 'dev'"):
        split_noises([noise], "dev")
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        split_noises([noise], "train", 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snrs_db": ()}, "no SNR is given"),
        ({"snrs_db": (5.0, 5.0)}, "an SNR is given twice"),
        ({"snrs_db": (math.nan,)}, "an SNR must lie between -60 and 60 dB, not nan"),
        ({"snrs_db": (99.0,)}, "an SNR must lie between -60 and 60 dB, not 99"),
        ({"level": "loud"}, "unknown speech level 'loud'"),
        ({"format": "mp3"}, "unknown format 'mp3'; choose one of: flac, wav"),
    ],
)
def test_settings_are_checked(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MixSettings(**changes)


@pytest.mark.parametrize("name", RECIPES.names())
def test_recipes_are_settings(name: str) -> None:
    assert MixSettings(**RECIPES.get(name)).snrs_db
