"""The tables of all systems: the groups that the figure shows, and the rows by noise and SNR."""

from __future__ import annotations

from pathlib import Path

from tests.experiments.conftest import context_of, heard
from tests.experiments.readable import check_readable

from robustger.experiments.tables.table1 import TABLE1, TABLE2
from robustger.hypotheses import save_nbest


def save_lists(folder: Path) -> None:
    """Saves lists in two noises, each at two SNRs, and in clean speech."""
    noisy = [
        heard("test", n, noise, snr) for n in range(3) for noise in ("car-1", "rain-0") for snr in (0, 5)
    ]
    clean = [heard("test", n, "", None) for n in range(3)]
    save_nbest([*noisy, *clean], folder / "speech.jsonl")


def test_the_figure_shows_all_lists_and_the_snrs_but_no_noises(tmp_path: Path) -> None:
    save_lists(tmp_path)
    findings = TABLE1.run(context_of(tmp_path, tmp_path, quick=True))
    said = check_readable(findings.figures[""]())
    assert said >= {"all", "0 dB", "5 dB", "1-best"}
    assert not said & {"car", "rain", "clean"}


def test_table_2_has_a_row_for_each_noise_and_snr_and_one_for_clean_speech(tmp_path: Path) -> None:
    save_lists(tmp_path)
    (table,) = TABLE2.run(context_of(tmp_path, tmp_path, quick=True)).tables
    rows = [row[:2] for row in table.rows]
    assert rows == [
        *((noise, snr) for noise in ("car", "rain", "all") for snr in ("0", "5", "mean")),
        ("clean", ""),
    ]
