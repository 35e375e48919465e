"""The selection of the lists that trainings learn from and are tested on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.experiments.conftest import heard, say_how

from robustger.errors import InputError
from robustger.experiments.conditions import sentence, snr_db
from robustger.experiments.data import load_data
from robustger.experiments.runs.selection import ListFiles, digest_of, write_lists
from robustger.hypotheses import NBest, load_nbest, save_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings

Write = Callable[..., ListFiles]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def write(lab_folder: Path, said: list[str]) -> Write:
    def call(
        runs: Path, counts: Any = (12,), sentences: int | None = 2, source: Path = lab_folder, **more: Any
    ) -> ListFiles:
        given = {"halved": True, "say": said.append} | more
        return write_lists(load_data(source), runs, counts, sentences, **given)

    return call


def test_no_sentence_is_in_both_halves_and_no_list_twice(write: Write, tmp_path: Path) -> None:
    files = write(tmp_path, [4, 12])
    assert files.base is not None
    base, fewer, more = (load_nbest(path) for path in (files.base, files.arms[4], files.arms[12]))
    sentences = [{sentence(nbest) for nbest in lists} for lists in (base, more)]
    assert sentences[0]
    assert not sentences[0] & sentences[1]
    assert (len(fewer), len(more)) == (4, 12)
    assert {nbest.id for nbest in fewer} < {nbest.id for nbest in more}
    for lists in (base, more):
        assert len({nbest.id for nbest in lists}) == len(lists)


def test_a_sentence_may_have_several_noises_at_an_snr(write: Write, tmp_path: Path) -> None:
    learned = [heard("corrector", n, "car-1", 5) for n in range(8)]
    tested = [
        heard("test", n, noise, snr) for n in range(3) for noise in ("car-0", "rain-1") for snr in (0, 5)
    ]
    tested.append(heard("test", 3, "car-0", 5))  # lacks the other SNR
    tested += [heard("test", 0, "car-0", 10)]
    for name, lists in (("train", learned), ("noises", tested)):
        save_nbest(lists, tmp_path / f"{name}.jsonl")
    data = "train: [train.jsonl]\ntests: {noises: [noises.jsonl]}\nsnr_db: [0, 5]\n"
    (tmp_path / "data.yaml").write_text(data, encoding="utf-8")
    files = write(tmp_path / "runs", [4], None, tmp_path / "data.yaml", halved=False)
    decoded = load_nbest(files.decoded)
    assert len(decoded) == 12
    assert {snr_db(nbest) for nbest in decoded} == {0, 5}
    assert len({sentence(nbest) for nbest in decoded}) == 3


def test_more_lists_than_there_are_is_all_of_them_and_said(
    write: Write, said: list[str], tmp_path: Path
) -> None:
    files = write(tmp_path, [4, 99])
    assert files.arms.keys() == {4, files.available}
    assert f"{files.available} lists are all there are to train on, not 99" in said
    everything = write(tmp_path / "all", [None], halved=False)
    assert everything.base is None
    assert everything.available == 47  # 24 sentences twice, one of them once


def test_the_test_has_whole_sentences(write: Write, tmp_path: Path) -> None:
    files = write(tmp_path)
    decoded, test = load_nbest(files.decoded), load_nbest(files.test)
    assert (len(decoded), len(test)) == (6, 18)
    assert sorted(snr_db(nbest) or 0 for nbest in decoded) == [0, 0, 5, 5, 10, 10]
    assert len({sentence(nbest) for nbest in decoded}) == 2
    assert "test-00006" not in {sentence(nbest) for nbest in test}
    assert len(load_nbest(write(tmp_path, sentences=None).decoded)) == 18
    assert len(load_nbest(write(tmp_path, sentences=99).decoded)) == 18


def test_embeddings_are_those_of_the_laboratory(write: Write, lab_folder: Path, tmp_path: Path) -> None:
    files = write(tmp_path)
    chosen = load_nbest(files.arms[12])
    originals = {
        nbest.id: AudioEmbeddings(lab_folder / "lists").get(nbest, "clean")
        for nbest in load_nbest(lab_folder / "lists" / "corrector-more.jsonl")
    }
    embeddings = AudioEmbeddings(files.test.parent)
    for nbest in chosen:
        np.testing.assert_array_equal(embeddings.get(nbest, "clean"), originals[nbest.id])
    before = digest_of(files.arms[12])
    link = files.test.parent / "corrector-more.embeddings.safetensors"
    content = link.read_bytes()
    link.unlink()
    link.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert digest_of(files.arms[12]) != before
    link.unlink()
    with pytest.raises(InputError, match=r"does not exist, though arms-12\.jsonl names it"):
        digest_of(files.arms[12])


def test_only_the_laboratory_s_own_part_is_taken(
    write: Write, lab_folder: Path, said: list[str], tmp_path: Path
) -> None:
    files = write(tmp_path)
    assert files.base is not None
    used = {nbest.id for path in (files.base, files.arms[12]) for nbest in load_nbest(path)}
    taken = {nbest.id for nbest in load_nbest(lab_folder / "lists" / "corrector-more.jsonl")}
    assert used
    assert used <= taken
    recorded = json.loads((files.test.parent / "composition.json").read_text(encoding="utf-8"))
    counts = recorded["composition"]
    assert counts["corrector-more.jsonl"] == {"lists": 47, "sentences": 24}
    assert counts["of the base"]["lists"] == len(load_nbest(files.base))
    assert counts["tested"] == {"lists": 18, "sentences": 6}
    assert recorded["settings"]["beams"] == 10
    assert "corrector-more.jsonl: 47 lists of 24 sentences" in said


def test_what_is_there_stays_untouched_and_other_lists_go_beside_it(
    write: Write, lab_folder: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    first = write(runs)
    before = {path: path.stat().st_mtime_ns for path in first.test.parent.iterdir()}
    assert write(runs) == first
    assert write(runs, [4, 12]).test == first.test
    after = {path: path.stat().st_mtime_ns for path in first.test.parent.iterdir()}
    assert after.keys() - before.keys() == {first.test.parent / "arms-4.jsonl"}
    assert before.items() <= after.items()
    lab = tmp_path / "lab"
    shutil.copytree(lab_folder, lab)
    lists = load_nbest(lab / "lists" / "test.jsonl")
    save_nbest(
        [replace(nbest, reference=f"{nbest.reference} again") for nbest in lists],
        lab / "lists" / "test.jsonl",
    )
    other = write(runs, source=lab)
    assert other.test.parent != first.test.parent
    assert write(runs, source=lab) == other
    assert before.items() <= {path: path.stat().st_mtime_ns for path in first.test.parent.iterdir()}.items()
    assert sorted(path.name for path in runs.iterdir()) == sorted({"lists", other.test.parent.name})


def test_lists_of_another_recognizer_or_search_are_refused(
    write: Write, lab_folder: Path, tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    shutil.copytree(lab_folder, lab)
    test = lab / "lists" / "test.jsonl"
    say_how(test, embedding_frames="real", shard="1/4", manifest_sha256="other")  # what earlier runs were
    write(tmp_path / "out", source=lab)
    for name, value in (("n", 5), ("beams", 4), ("normalizer", "number"), ("embedding_frames", "all")):
        say_how(test, **{name: value})
        with pytest.raises(InputError, match=rf"test\.jsonl: was made with {name} {value!r}"):
            write(tmp_path / "out", source=lab)
    test.with_suffix(".run.json").unlink()
    with pytest.raises(InputError, match=r"test\.run\.json: does not exist"):
        write(tmp_path / "out", source=lab)


def test_a_sentence_on_two_sides_is_refused_in_the_laboratory_and_counted_elsewhere(
    write: Write, lab_folder: Path, said: list[str], tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    shutil.copytree(lab_folder, lab)
    path = lab / "lists" / "test.jsonl"
    known = [
        replace(nbest, reference=heard("corrector", 3, "car-1", 0).reference) for nbest in load_nbest(path)
    ]
    save_nbest(known, path)
    with pytest.raises(InputError, match=r"'test-0000.*' of the test has the sentence of 'corrector-00003"):
        write(tmp_path / "out", source=lab)
    data = tmp_path / "data.yaml"
    data.write_text("train: [lab/lists/corrector-more.jsonl]\ntests: {noisy: [lab/lists/test.jsonl]}\n")
    files = write(tmp_path / "out", source=data, halved=False)
    assert files.overlaps == ("25 lists of the test have a sentence that the arms have, too.",)
    assert set(files.overlaps) < set(said)


def test_lists_without_embeddings_are_taken_where_none_has_them(
    write: Write, said: list[str], tmp_path: Path
) -> None:
    lists = [NBest.from_texts(f"u{n}", ["a b", f"a {n}"], reference=f"a {n}") for n in range(6)]
    save_nbest(lists, tmp_path / "train.jsonl")
    save_nbest(
        [NBest.from_texts(f"t{n}", ["c", "d"], reference=f"c {n}") for n in range(3)], tmp_path / "test.jsonl"
    )
    files = write(tmp_path / "runs", [None], None, tmp_path, halved=False)
    assert not files.heard
    assert files.available == 6
    assert len(load_nbest(files.decoded)) == 3
    save_nbest([replace(lists[0], reference=None), *lists[1:]], tmp_path / "train.jsonl")
    assert write(tmp_path / "fewer", [None], None, tmp_path, halved=False).available == 5
    assert "1 lists have no reference; left out" in said
