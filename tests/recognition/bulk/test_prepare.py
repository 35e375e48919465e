"""Lists in bulk: what is written, and that nothing that happens on the way changes a byte of it."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tests.tiny_whisper import babble

from robustger.audio import read_audio, write_audio
from robustger.errors import InputError
from robustger.hypotheses import Hypothesis, NBest, load_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings, write_embeddings
from robustger.recognition import AudioEmbedding, Recognition, Recognizer, load_recognizer
from robustger.recognition.bulk.chunks import Request
from robustger.recognition.bulk.journal import exclusive_folder
from robustger.recognition.bulk.prepare import PreparationSummary, prepare
from robustger.recognition.recognizer import Features

WINDOW = 2  # seconds, as the tiny Whisper's
RESULTS = ("lists.jsonl", "lists.embeddings.safetensors", "lists.run.json")


class Listener:
    """The least of a recognizer: what it writes is a checksum of all that it is given, batch included."""

    window_seconds: float | None = float(WINDOW)
    embedding_size = 3
    pads = True

    def recognize(
        self,
        audios: Sequence[np.ndarray],
        *,
        n: int = 5,
        beams: int | None = None,
    ) -> list[Recognition]:
        batch = zlib.crc32(b"".join(audio.tobytes() for audio in audios))
        return [
            Recognition(
                tuple(
                    Hypothesis(f"Heard {zlib.crc32(audio.tobytes())} {batch} {k}", -0.1 * k) for k in range(n)
                ),
                n,
                embedding.real,
                embedding.padded,
            )
            for audio, embedding in zip(audios, self.embed(audios), strict=True)
        ]

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        batch = zlib.crc32(b"".join(audio.tobytes() for audio in audios))
        means = [np.array([audio.size, audio[0], batch], dtype=np.float32) for audio in audios]
        return [AudioEmbedding(mean, -mean) for mean in means]


@pytest.fixture(scope="module")
def whisper(tiny_whisper: Path) -> Recognizer:
    return load_recognizer("whisper", tiny_whisper, device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine rows, `manifest.jsonl`: long and short, with and without clean pairs, two that are of no use."""
    rows: list[dict[str, Any]] = []
    for number, seconds in enumerate((0.5, 0.3, 5.3, 0.4, 0.6, 0.3, 0.7, 0.35)):
        write_audio(tmp_path / f"{number}.wav", babble(seconds, number))
        rows.append({"id": f"u{number}", "audio": f"{number}.wav", "text": f"text {number}"})
    for number in (0, 2, 6):
        seconds = len(read_audio(tmp_path / f"{number}.wav")) / 16_000
        write_audio(tmp_path / f"{number}.clean.flac", babble(seconds, 100 + number))
        rows[number] |= {"clean_audio": f"{number}.clean.flac", "noise": "rain", "snr_db": 5, "speaker": "s1"}
    rows[3]["audio"] = "none.wav"
    rows[6] |= {"start": 0.1, "end": 0.5}
    rows.insert(5, {"id": "u0", "audio": "0.wav"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def run(
    folder: Path,
    recognizer: Recognizer,
    target: str = "lists.jsonl",
    restart: bool = False,
    workers: int = 0,
    **request: Any,
) -> tuple[PreparationSummary, list[tuple[int, str]]]:
    problems: list[tuple[int, str]] = []
    request = {"n": 2, "batch_size": 2} | request
    summary = prepare(
        lambda: recognizer,
        folder / "manifest.jsonl",
        folder / target,
        Request(**request),
        settings={"recognizer": "test"},
        restart=restart,
        workers=workers,
        on_problem=lambda line, message: problems.append((line, message)),
    )
    return summary, problems


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


@pytest.mark.parametrize("frames", ["real", "all"])
def test_what_a_recognizer_makes_of_a_manifest(folder: Path, whisper: Recognizer, frames: str) -> None:
    summary, problems = run(folder, whisper, n=3, beams=4, normalizer="number", embedding_frames=frames)
    lists = {nbest.id: nbest for nbest in load_nbest(folder / "lists.jsonl")}
    windows = [id_ for id_ in lists if id_.startswith("u2#")]
    assert windows == [f"u2#{k}" for k in range(1, len(windows) + 1)]
    assert list(lists) == ["u0", "u1", *windows, "u4", "u5", "u6", "u7"]
    assert [line for line, _ in problems] == [4, 6]
    assert problems[0][1].startswith(f"u3: {folder / 'none.wav'}: ")
    assert problems[1][1].startswith("u0: id 'u0' stands in line 1 already")
    assert (summary.utterances, summary.lists, summary.problems) == (9, len(lists), 2)
    assert summary.audio_seconds == pytest.approx(0.5 + 0.3 + 5.3 + 0.6 + 0.3 + 0.4 + 0.35, abs=0.05)

    embeddings = AudioEmbeddings(folder)
    for nbest in lists.values():
        assert nbest.audio is not None
        number = nbest.id[1]
        assert nbest.audio == f"{number}.wav"
        pair = [folder / nbest.audio]
        if (clean := folder / f"{number}.clean.flac").exists():
            pair.append(clean)
            assert (nbest.meta["noise"], nbest.meta["snr_db"], nbest.meta["speaker"]) == ("rain", 5, "s1")
        alone = [
            whisper.recognize(
                [read_audio(path, start=nbest.start, end=nbest.end)],
                n=3,
                beams=4,
            )[0]
            for path in pair
        ]
        assert len(nbest.hypotheses) == nbest.meta["distinct"] == alone[0].distinct <= 3
        scores = [hypothesis.score for hypothesis in nbest.hypotheses]
        assert scores == pytest.approx([h.score for h in alone[0].hypotheses], abs=1e-3)
        noisy = embeddings.get(nbest)
        assert noisy is not None
        mean = alone[0].embedding if frames == "real" else alone[0].padded_embedding
        assert mean is not None
        np.testing.assert_allclose(noisy, mean, atol=1e-4)
        clean_embedding = embeddings.get(nbest, "clean")
        assert (clean_embedding is None) == (len(pair) == 1)
        if clean_embedding is not None:
            mean = alone[1].embedding if frames == "real" else alone[1].padded_embedding
            assert mean is not None
            np.testing.assert_allclose(clean_embedding, mean, atol=1e-4)
    assert (lists["u6"].start, lists["u6"].end) == (0.1, 0.5)
    assert (lists["u0"].start, lists["u0"].end, lists["u0"].reference) == (None, None, "text 0")


def test_a_long_recording_becomes_a_list_per_window(folder: Path) -> None:
    run(folder, Listener())
    windows = [nbest for nbest in load_nbest(folder / "lists.jsonl") if nbest.id.startswith("u2#")]
    assert len(windows) >= 3
    edges = [(nbest.start, nbest.end) for nbest in windows]
    assert edges[0][0] == 0
    assert edges[-1][1] == pytest.approx(5.3, abs=0.01)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
    for number, nbest in enumerate(windows, start=1):
        assert nbest.reference is None
        count = {"of": "u2", "number": number, "count": len(windows), "reference": "text 2"}
        assert nbest.meta["window"] == count


def test_the_embeddings_are_an_ordinary_safetensors_file(folder: Path) -> None:
    run(folder, Listener())
    tensors = load_file(folder / "lists.embeddings.safetensors")
    lists = load_nbest(folder / "lists.jsonl")
    assert tensors["noisy"].shape == (len(lists), 3)
    places = [nbest.audio_embedding or {} for nbest in lists]
    assert [place["noisy"] for place in places] == list(range(len(lists)))
    paired = [nbest.id for nbest, place in zip(lists, places, strict=True) if "clean" in place]
    assert tensors["clean"].shape == (len(paired), 3)
    embeddings = AudioEmbeddings(folder)
    assert embeddings.ids("lists.embeddings.safetensors") == [nbest.id for nbest in lists]
    assert embeddings.ids("lists.embeddings.safetensors", "clean") == paired


def test_readers_change_nothing(folder: Path, whisper: Recognizer) -> None:
    for recognizer in (whisper, Listener()):
        found = []
        for workers in (0, 1, 3):
            problems = run(folder, recognizer, restart=True, workers=workers, batch_size=4)[1]
            found.append((problems, results(folder)))
        assert found[0] == found[1] == found[2]
    assert not multiprocessing.active_children()


def test_clean_recordings_are_not_searched(folder: Path) -> None:
    class Counting(Listener):
        searched = 0

        def recognize(self, audios: Sequence[np.ndarray], **options: Any) -> list[Recognition]:
            type(self).searched += len(audios)
            return super().recognize(audios, **options)

    summary, _ = run(folder, Counting())
    assert Counting.searched == summary.lists
    assert any("clean" in (nbest.audio_embedding or {}) for nbest in load_nbest(folder / "lists.jsonl"))


def test_embeddings_over_all_frames(folder: Path) -> None:
    run(folder, Listener())
    real = load_file(folder / "lists.embeddings.safetensors")
    with pytest.raises(InputError, match="embedding_frames was 'real', now 'all'"):
        run(folder, Listener(), embedding_frames="all")
    run(folder, Listener(), target="all.jsonl", embedding_frames="all")
    padded = load_file(folder / "all.embeddings.safetensors")
    for kind in ("noisy", "clean"):
        np.testing.assert_array_equal(padded[kind], -real[kind])
        np.testing.assert_array_equal(padded[f"{kind}.ids"], real[f"{kind}.ids"])


def test_a_recognizer_that_does_not_pad_says_so(folder: Path) -> None:
    class Ragged(Listener):
        pads = False

    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match=r"pads no audio to a fixed length, .*; choose real") as error:
        run(folder, Ragged(), embedding_frames="all")
    assert "\n" not in str(error.value)
    assert sorted(folder.iterdir()) == before
    run(folder, Ragged(), embedding_frames="all", embeddings=False)


def test_a_run_begun_when_there_was_no_choice_of_frames_goes_on(folder: Path) -> None:
    run(folder, Listener())
    undisturbed = results(folder)["lists.jsonl"]
    path = folder / "lists.run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["settings"]["embedding_frames"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert run(folder, Listener())[0].was_complete
    assert results(folder)["lists.jsonl"] == undisturbed
    with pytest.raises(InputError, match="embedding_frames was 'real', now 'all'"):
        run(folder, Listener(), embedding_frames="all")


def test_without_embeddings_there_is_no_file_of_them(folder: Path) -> None:
    run(folder, Listener(), embeddings=False)
    assert not (folder / "lists.embeddings.safetensors").exists()
    assert all(nbest.audio_embedding is None for nbest in load_nbest(folder / "lists.jsonl"))


class _Kill:
    """An audit hook: ends the process before its k-th operation on a file of the run."""

    def __init__(self, folder: Path, k: int) -> None:
        self.prefix, self.left = str(folder / "lists."), k

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.scandir"):
            self.count_down(map(str, arguments))
        elif event == "os.listdir":
            self.count_down([str(arguments[0])])

    def count_down(self, arguments: Any) -> None:
        if any(argument.startswith(self.prefix) for argument in arguments):
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1


def run_in_a_child(folder: Path, kill_before: int) -> int:
    """The signal that ended the run, 0 when it came to its end."""
    child = os.fork()
    if child == 0:
        sys.addaudithook(_Kill(folder, kill_before))
        run(folder, Listener(), batch_size=5)
        os._exit(0)
    return os.waitpid(child, 0)[1] & 0x7F


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_before_any_operation_on_a_file_is_harmless(folder: Path) -> None:
    _, all_problems = run(folder, Listener(), batch_size=5)
    undisturbed = results(folder)
    kills = 0
    while True:
        for name in RESULTS:
            (folder / name).unlink()
        if run_in_a_child(folder, kills) == 0:
            break
        # Killed between two operations; in the midst of one, files would end in what was not to be there.
        partial = folder / "lists.jsonl.partial"
        for path in partial.iterdir() if partial.exists() else ():
            if path.name not in ("state.json", "lock"):
                with path.open("ab") as file:
                    file.write(b'{"torn')
        if kills % 4 == 0:
            run_in_a_child(folder, kills // 2)  # and once more
        _, problems = run(folder, Listener(), batch_size=5)
        assert problems == all_problems, kills
        assert results(folder) == undisturbed, kills
        assert not partial.exists(), kills
        kills += 1
    assert kills > 20
    assert results(folder) == undisturbed


def test_an_interrupted_run_does_not_hear_again_what_it_heard(folder: Path) -> None:
    class Tired(Listener):
        heard = 0

        def recognize(self, audios: Sequence[np.ndarray], **options: Any) -> list[Recognition]:
            if type(self).heard >= 3:
                raise KeyboardInterrupt
            type(self).heard += 1
            return super().recognize(audios, **options)

    with pytest.raises(KeyboardInterrupt):
        run(folder, Tired())
    assert (folder / "lists.jsonl.partial" / "state.json").exists()
    assert not (folder / "lists.jsonl").exists()
    state = json.loads((folder / "lists.jsonl.partial" / "state.json").read_text())
    done: list[float] = []
    prepare(
        Listener,
        folder / "manifest.jsonl",
        folder / "lists.jsonl",
        Request(n=2, batch_size=2),
        settings={"recognizer": "test"},
        on_progress=lambda utterances, seconds: done.append(seconds),
    )
    assert state["units"] >= 1
    assert [seconds == 0 for seconds in done] == [k < state["units"] for k in range(5)]


class Deadly(Listener):
    """Takes features, and making them of one recording ends the process that does."""

    @property
    def features_of(self) -> Callable[[np.ndarray], Features]:
        return features_or_death

    def recognize(self, audios: Sequence[Any], **options: Any) -> list[Recognition]:
        return super().recognize([features.values for features in audios], **options)

    def embed(self, audios: Sequence[Any]) -> list[AudioEmbedding]:
        return super().embed([getattr(audio, "values", audio) for audio in audios])


def features_or_death(audio: np.ndarray) -> Features:
    if audio.size == round(0.35 * 16_000):  # the last recording
        os.kill(os.getpid(), signal.SIGKILL)
    return Features(audio.size, audio)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_reader_that_dies_is_told_and_loses_nothing(folder: Path) -> None:
    with pytest.raises(InputError, match="a process that reads recordings ahead came to an end") as error:
        run(folder, Deadly(), workers=1)
    assert "\n" not in str(error.value)
    state = json.loads((folder / "lists.jsonl.partial" / "state.json").read_text())
    assert state["units"] >= 1
    run(folder, Listener(), workers=1)
    found = results(folder)
    run(folder, Listener(), restart=True)
    assert results(folder) == found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_readers_of_a_run_that_was_killed_are_not_in_the_way(folder: Path) -> None:
    class Doomed(Listener):
        heard = 0

        def recognize(self, audios: Sequence[np.ndarray], **options: Any) -> list[Recognition]:
            if self.heard == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            self.heard += 1
            return super().recognize(audios, **options)

    child = os.fork()
    if child == 0:
        run(folder, Doomed(), workers=2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] & 0x7F == signal.SIGKILL
    run(folder, Listener(), workers=1)  # at once: its readers may still be there
    found = results(folder)
    run(folder, Listener(), restart=True)
    assert results(folder) == found


def test_a_complete_run_is_left_as_it_is(folder: Path) -> None:
    first, problems = run(folder, Listener())
    before = {name: (folder / name).stat().st_mtime_ns for name in RESULTS}

    def refuse() -> Recognizer:
        raise AssertionError("nothing is left to recognize")

    again: list[tuple[int, str]] = []
    summary = prepare(
        refuse,
        folder / "manifest.jsonl",
        folder / "lists.jsonl",
        Request(n=2, batch_size=2),
        settings={"recognizer": "test"},
        on_problem=lambda line, message: again.append((line, message)),
    )
    assert summary.was_complete
    assert (summary.lists, summary.problems) == (first.lists, first.problems)
    assert again == problems
    assert {name: (folder / name).stat().st_mtime_ns for name in RESULTS} == before
    assert not (folder / "lists.jsonl.partial").exists()


@pytest.mark.parametrize("complete", [True, False])
def test_other_settings_are_refused_and_named(folder: Path, complete: bool) -> None:
    if complete:
        run(folder, Listener())
    else:
        with pytest.raises(KeyboardInterrupt):
            interrupted(folder)
    with pytest.raises(InputError, match=r"n was 2, now 3; batch_size was 2, now 4; .* --restart") as error:
        run(folder, Listener(), n=3, batch_size=4)
    assert str(folder / "lists.jsonl") in str(error.value)
    manifest = folder / "manifest.jsonl"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text + '{"id": "new", "audio": "0.wav"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="the content of the manifest changed; "):
        run(folder, Listener())
    manifest.write_text(text, encoding="utf-8")
    summary, _ = run(folder, Listener())
    assert summary.was_complete == complete
    summary, _ = run(folder, Listener(), restart=True, n=3)
    assert not summary.was_complete
    assert {len(nbest.hypotheses) for nbest in load_nbest(folder / "lists.jsonl")} == {3}


def interrupted(folder: Path) -> None:
    def stop(utterances: int, seconds: float) -> None:
        raise KeyboardInterrupt

    prepare(
        Listener,
        folder / "manifest.jsonl",
        folder / "lists.jsonl",
        Request(n=2, batch_size=2),
        settings={"recognizer": "test"},
        on_progress=stop,
    )


def test_a_damaged_journal_is_refused(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(folder)
    partial = folder / "lists.jsonl.partial"
    lists = partial / "lists.jsonl"
    lists.write_bytes(lists.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"lists\.jsonl: was changed from outside.* --restart"):
        run(folder, Listener())
    (partial / "state.json").write_text("{")
    with pytest.raises(InputError, match=r"state\.json: was changed from outside.* --restart"):
        run(folder, Listener())
    run(folder, Listener(), restart=True)


def test_a_file_of_somebody_else_is_not_overwritten(folder: Path) -> None:
    (folder / "lists.jsonl").write_text("mine\n")
    with pytest.raises(InputError, match="exists, and nothing says how it was made"):
        run(folder, Listener())
    assert (folder / "lists.jsonl").read_text() == "mine\n"
    assert not (folder / "lists.jsonl.partial").exists()
    run(folder, Listener(), restart=True)
    assert load_nbest(folder / "lists.jsonl")


def test_two_runs_cannot_write_one_file(folder: Path) -> None:
    with (
        exclusive_folder(folder / "lists.jsonl"),
        pytest.raises(InputError, match=r"lists\.jsonl: another run is writing it"),
    ):
        run(folder, Listener())
    run(folder, Listener())


def test_a_recognizer_that_cannot_be_loaded_leaves_nothing(folder: Path) -> None:
    def fail() -> Recognizer:
        raise InputError("no such model")

    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match="no such model"):
        prepare(fail, folder / "manifest.jsonl", folder / "lists.jsonl", Request(), settings={})
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_shards_are_the_whole(folder: Path, parts: int) -> None:
    """Also to the byte of every hypothesis, because batches do not depend on the shards."""

    def lines(path: Path) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        embeddings = AudioEmbeddings(path.parent)
        for row, nbest in zip(rows, load_nbest(path), strict=True):
            row["audio_embedding"] = [
                None if (found := embeddings.get(nbest, kind)) is None else found.tolist()
                for kind in ("noisy", "clean")
            ]
        return rows

    run(folder, Listener())
    whole = lines(folder / "lists.jsonl")
    names = [f"part{part}.jsonl" for part in range(1, parts + 1)]
    counts = [run(folder, Listener(), name, shard=(k, parts))[0] for k, name in enumerate(names, 1)]
    assert sum(summary.utterances for summary in counts) == 9
    joined = folder / "joined.jsonl"
    joined.write_bytes(b"".join((folder / name).read_bytes() for name in names))
    found = {row["id"]: row for row in lines(joined)}
    assert [found[row["id"]] for row in whole] == whole
    assert len(found) == len(whole)


def test_a_clean_recording_that_is_of_no_use_costs_no_list(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", babble(1, 1))
    write_audio(tmp_path / "short.wav", babble(0.5, 2))
    write_audio(tmp_path / "nearly.wav", babble(0.95, 2))
    rows = [
        {"id": name, "audio": "a.wav", "clean_audio": f"{name}.wav"} for name in ("short", "none", "nearly")
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    summary, problems = run(tmp_path, Listener())
    assert (summary.lists, summary.problems) == (3, 2)
    assert "short.wav: lasts 0.50 s, and " in problems[0][1]
    assert "none.wav: cannot be read" in problems[1][1]
    kinds = [set(nbest.audio_embedding or ()) for nbest in load_nbest(tmp_path / "lists.jsonl")]
    assert kinds == [{"file", "noisy"}, {"file", "noisy"}, {"file", "noisy", "clean"}]
    rows_ = load_file(tmp_path / "lists.embeddings.safetensors")
    assert rows_["clean"][0, 0] == 16_000  # filled up to the length of its noisy recording


def test_the_id_of_a_window_may_be_taken(folder: Path) -> None:
    with (folder / "manifest.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "u2#2", "audio": "0.wav"}\n')
    summary, problems = run(folder, Listener())
    assert summary.problems == 3
    assert problems[0] == (3, "u2: its window 'u2#2' bears the id of another utterance; rename one of them")
    ids = [nbest.id for nbest in load_nbest(folder / "lists.jsonl")]
    assert len(set(ids)) == len(ids)


def test_a_run_goes_on_from_another_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(KeyboardInterrupt):
        interrupted(Path())
    monkeypatch.chdir(folder.parent)
    run(Path(folder.name), Listener())
    disturbed = results(folder)
    run(folder, Listener(), restart=True)
    assert results(folder)["lists.jsonl"] == disturbed["lists.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shard": (0, 2)}, "shard 0/2: give i/n with i from 1 to n"),
        ({"shard": (3, 2)}, "shard 3/2: "),
        ({"batch_size": 0}, "the batch size is 0; "),
        ({"embedding_frames": "some"}, "embedding frames 'some': choose real or all"),
        ({"normalizer": "none"}, "unknown normalizer 'none'"),
        ({"target": "."}, "is a folder; name a file"),
        ({"target": "none/lists.jsonl"}, "none does not exist"),
    ],
)
def test_what_is_refused(folder: Path, arguments: dict[str, Any], message: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(InputError) as error:
        run(folder, Listener(), **arguments)
    assert message in str(error.value)
    assert sorted(folder.iterdir()) == before


def test_streams_are_refused(folder: Path) -> None:
    for manifest, target in (("-", folder / "lists.jsonl"), (folder / "manifest.jsonl", "-")):
        with pytest.raises(InputError, match="'-' is not one"):
            prepare(Listener, manifest, target, Request(), settings={})


def test_a_manifest_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("\n")
    with pytest.raises(InputError, match="names no recordings"):
        run(tmp_path, Listener())


@given(
    counts=st.dictionaries(st.sampled_from(["noisy", "clean"]), st.integers(1, 5), min_size=1),
    size=st.integers(1, 9),
    ids=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=5, max_size=5),
)
def test_any_embeddings_come_back(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int], size: int, ids: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("embeddings")
    given_ = {
        kind: np.random.default_rng(count).normal(size=(count, size)).astype(np.float32)
        for kind, count in counts.items()
    }
    for kind, rows in given_.items():
        (folder / f"{kind}.f32").write_bytes(rows.tobytes())
        text = "".join(json.dumps(id_) + "\n" for id_ in ids[: len(rows)])
        (folder / f"{kind}.ids").write_text(text, encoding="utf-8")
    with (folder / "e").open("wb") as file:
        write_embeddings(
            file,
            {kind: folder / f"{kind}.f32" for kind in counts},
            {kind: folder / f"{kind}.ids" for kind in counts},
            size,
        )
    embeddings = AudioEmbeddings(folder)
    for kind, rows in given_.items():
        assert embeddings.ids("e", kind) == ids[: len(rows)]
        for row, values in enumerate(rows):
            nbest = NBest.from_texts("u", ["a"], audio_embedding={"file": "e", kind: row})
            np.testing.assert_array_equal(embeddings.get(nbest, kind), values)
        beyond = NBest.from_texts("u", ["a"], audio_embedding={"file": "e", kind: len(rows)})
        with pytest.raises(InputError, match=f"has no row {len(rows)}"):
            embeddings.get(beyond, kind)


def test_a_row_among_a_hundred_thousand_costs_the_memory_of_a_row(tmp_path: Path) -> None:
    count, size = 100_000, 64
    (tmp_path / "noisy.f32").write_bytes(bytes(4 * count * size))
    (tmp_path / "noisy.ids").write_text("".join(f'"{k:05d}"\n' for k in range(count)))
    with (tmp_path / "e").open("wb") as file:
        write_embeddings(file, {"noisy": tmp_path / "noisy.f32"}, {"noisy": tmp_path / "noisy.ids"}, size)
    lists = [
        NBest.from_texts("u", ["a"], audio_embedding={"file": "e", "noisy": k})
        for k in range(0, count, 20_000)
    ]
    tracemalloc.start()
    try:
        embeddings = AudioEmbeddings(tmp_path)
        found = [embeddings.get(nbest) for nbest in lists]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(row is not None and row.shape == (size,) for row in found)
    assert peak < 1_000_000  # of 25.6 MB


def test_embeddings_that_are_not_there(tmp_path: Path) -> None:
    embeddings = AudioEmbeddings(tmp_path)
    assert embeddings.get(NBest.from_texts("u", ["a"])) is None
    gone = NBest.from_texts("u", ["a"], audio_embedding={"file": "gone", "noisy": 0})
    with pytest.raises(InputError, match="gone: cannot be read"):
        embeddings.get(gone)
    (tmp_path / "gone").write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="gone: cannot be read"):
        embeddings.get(gone)
