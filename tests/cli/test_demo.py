"""`robustger demo` on recordings: what it prints and draws."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.tiny_preset import build_tiny_preset, save_babble

from robustger.cli.demo import marked_difference

TEXT = "what is the fare from boston to denver"


@pytest.fixture(scope="module")
def preset(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset with three recordings at two SNRs and one without noise."""
    folder = build_tiny_preset(tmp_path_factory.mktemp("tiny") / "preset", tiny_checkpoint)
    (folder / "demo").mkdir()
    rows = []
    for seed, snr_db in enumerate([5, 0, 0, None]):
        row = {"id": f"clip-{seed}", "audio": f"{seed}.flac", "text": TEXT}
        save_babble(folder / "demo" / f"{seed}.flac", 1.0 + 0.2 * seed, seed)
        rows.append(row if snr_db is None else row | {"noise": "rain", "snr_db": snr_db})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "demo" / "demo.jsonl").write_text(lines, encoding="utf-8")
    return folder


def test_recordings_are_transcribed_and_measured_by_snr(robustger, preset: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "clips.png"
    result = robustger("demo", "--preset", preset, "--picture", picture)
    assert (result.code, result.err) == (0, "")
    order = [line.split()[0] for line in result.out.splitlines() if line.startswith("clip-")]
    assert order == ["clip-1", "clip-2", "clip-0", "clip-3"]  # the noisiest first
    assert "clip-1  rain at 0 dB, 1.2 s" in result.out
    assert result.out.count("reference  " + TEXT) == 4
    assert all(f"\n   {rank} " in result.out for rank in range(1, 6))
    rows = {line.split("│")[1].strip() for line in result.out.splitlines() if line.count("│") > 2}
    assert {"0 dB", "5 dB", "clean", "all"} <= rows
    assert "format-only" in result.out
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path for path in tmp_path.iterdir() if path.suffix == ".partial"] == []


def test_without_matplotlib_it_says_how_to_get_the_picture(
    robustger, preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = robustger("demo", "--preset", preset, "--show", 1, "--picture", tmp_path / "clips.png")
    assert result.code == 0
    assert result.out.count("reference  ") == 1
    assert "pip install 'robustger[plots]'" in result.out
    assert not (tmp_path / "clips.png").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "audio": "0.flac"}, "'a' has no 'text'; give what is said in"),
        ({"id": "a", "audio": "none.flac", "text": TEXT}, "none.flac: "),
        ({"id": "a", "text": TEXT}, "demo.jsonl:1: "),
        ({"id": "a", "audio": "long.flac", "text": TEXT}, "long.flac: longer than a window"),
    ],
)
def test_a_bad_manifest_is_one_line(
    robustger, tiny_checkpoint: Path, tmp_path: Path, row: dict[str, str], message: str
) -> None:
    folder = build_tiny_preset(tmp_path / "preset", tiny_checkpoint)
    (folder / "demo").mkdir()
    save_babble(folder / "demo" / "0.flac", 1.0, 1)
    save_babble(folder / "demo" / "long.flac", 4.0, 1)
    (folder / "demo" / "demo.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    result = robustger("demo", "--preset", folder, "--picture", tmp_path / "clips.png")
    assert result.code == 2
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert not (tmp_path / "clips.png").exists()


def test_markup_in_texts_is_text() -> None:
    assert marked_difference("a [bold]b", "a [bold]c", "a [bold]c")[1] == "a [bold green]\\[bold]c[/]"
