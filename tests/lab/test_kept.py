"""The archives hold what the tables need, and overwrite nothing when they are laid out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tests.experiments.conftest import heard
from tests.training.conftest import save_heard as save_heard  # a fixture

from lab import kept
from robustger.experiments.kept_embeddings import KeptDigest
from robustger.experiments.runs.selection import digest_of
from robustger.files import sha256_of
from robustger.hypotheses import load_nbest, save_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings


def test_runs_come_back_and_overwrite_nothing(tmp_path: Path) -> None:
    runs, other, archive = tmp_path / "runs", tmp_path / "other", tmp_path / "kept" / "runs.tar.xz"
    for run, done in (
        ("robustger-0", True),
        ("robustger-0-3d95df44", True),
        ("ger-0", True),
        ("ger-1", False),
    ):
        (runs / run / "best").mkdir(parents=True)
        (runs / run / "run.json").write_text(f"at {runs / run}")
        (runs / run / "best" / "adapter.safetensors").write_bytes(str(runs).encode())
        if done:
            (runs / run / "results.json").write_text("{}")
    kept.pack(archive, kept.kept_runs(runs))
    first = archive.read_bytes()
    kept.pack(archive, kept.kept_runs(runs))
    assert archive.read_bytes() == first
    (other / "ger-0").mkdir(parents=True)
    (other / "ger-0" / "run.json").write_text("mine")
    kept.unpack(archive, other)
    assert (other / "ger-0" / "run.json").read_text() == "mine"
    there = {path.relative_to(other).as_posix() for path in other.rglob("*") if path.is_file()}
    assert there == {
        "ger-0/run.json",
        "ger-0/results.json",
        "robustger-0-3d95df44/run.json",
        "robustger-0-3d95df44/results.json",
        "robustger-0/run.json",
        "robustger-0/results.json",
        "robustger-0/best/adapter.safetensors",
    }


def test_lists_come_back_with_embeddings_or_their_digests(tmp_path: Path, save_heard) -> None:
    lab, runs, other = tmp_path / "lab", tmp_path / "runs", tmp_path / "other"
    (lab / "lists").mkdir(parents=True)
    (runs / "lists").mkdir(parents=True)
    for part in kept.PARTS:
        path = lab / "lists" / f"{part}.jsonl"
        rows = np.random.default_rng(len(part)).normal(size=(3, 6)).astype("f4")
        lists = [heard(part, n, "car-1", snr) for n, snr in enumerate((5, 0, -5))]
        save_heard(lists, path, noisy=rows)
        path.with_suffix(".run.json").write_text(json.dumps({"settings": {}}))
    source = lab / "lists" / "corrector-more.jsonl"
    embeddings = lab / "lists" / "corrector-more.embeddings.safetensors"
    arms = runs / "lists" / "arms-2.jsonl"
    save_nbest(load_nbest(source)[:2], arms)
    (arms.parent / embeddings.name).symlink_to(embeddings)
    kept.pack(tmp_path / "lists.tar.xz", kept.kept_lists(lab, runs))
    kept.unpack(tmp_path / "lists.tar.xz", other)
    there = {path.name for path in (other / "lists").iterdir()}
    for part in kept.PARTS:
        assert {f"{part}.jsonl", f"{part}.run.json"} <= there
        assert (f"{part}.embeddings.safetensors" in there) == part.startswith("test")
        assert f"{part}.embeddings.safetensors.digest.json" in there
    tests = load_nbest(other / "lists" / "test.jsonl")
    before, after = (AudioEmbeddings(folder / "lists") for folder in (lab, other))
    for nbest, shown in zip(tests, (True, True, False), strict=True):
        row = after.get(nbest, "noisy")
        expected = before.get(nbest, "noisy") if shown else np.full(6, np.nan, "f4")
        np.testing.assert_array_equal(row, expected)
    digest = KeptDigest.of(other / "lists" / embeddings.name)
    assert digest == KeptDigest(sha256_of(embeddings), {sha256_of(arms): digest_of(arms)})
