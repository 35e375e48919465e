"""A manifest is mixed into a folder: ids, noises and settings alone decide the result."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tests.mixing.clean_world import RATE, run, tree

from robustger.audio import read_audio
from robustger.errors import InputError
from robustger.manifest import Utterance, load_manifest, save_manifest
from robustger.mixing import (
    RECIPES,
    MixSettings,
    find_noises,
    measured_snr,
    mix_manifest,
)


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snrs_db": ()}, "no SNR is given"),
        ({"snrs_db": (5.0, 5.0)}, "an SNR is given twice; give each once"),
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
