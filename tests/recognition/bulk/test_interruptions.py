"""Runs that are interrupted, killed or started twice: nothing that happens on the way changes a byte."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.recognition.bulk.manifest_runs import RESULTS, Listener, interrupted, results, run

from robustger.errors import InputError
from robustger.hypotheses import load_nbest
from robustger.recognition import AudioEmbedding, Recognition, Recognizer
from robustger.recognition.bulk.chunks import Request
from robustger.recognition.bulk.journal import exclusive_folder
from robustger.recognition.bulk.prepare_lists import prepare_lists
from robustger.recognition.recognizer import Features


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
    prepare_lists(
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
    with pytest.raises(InputError, match="a process that reads recordings ahead died") as error:
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
    summary = prepare_lists(
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
        prepare_lists(fail, folder / "manifest.jsonl", folder / "lists.jsonl", Request(), settings={})
    assert sorted(folder.iterdir()) == before


def test_a_run_goes_on_from_another_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(KeyboardInterrupt):
        interrupted(Path())
    monkeypatch.chdir(folder.parent)
    run(Path(folder.name), Listener())
    disturbed = results(folder)
    run(folder, Listener(), restart=True)
    assert results(folder)["lists.jsonl"] == disturbed["lists.jsonl"]


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
