"""The data of an experiment: from a file, a laboratory or a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from robustger.errors import InputError
from robustger.experiments.data import load_data
from robustger.hypotheses import NBest, save_nbest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train_a", "train_b", "dev", "chime4", "rats"):
        lists = [NBest.from_texts(f"{name}-{n}", ["a", "b"], reference="a") for n in range(3)]
        save_nbest(lists, tmp_path / f"{name}.jsonl")
    return tmp_path


def test_a_data_file_names_its_parts(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = folder / "data.yaml"
    path.write_text(
        "train: [train_*.jsonl]\ndev: [dev.jsonl]\ntests: {x: [chime4.jsonl], y: [rats.jsonl]}\nsnr_db: [0, 5]\n"
    )
    data = load_data(path)
    assert [file.name for file in data.train] == ["train_a.jsonl", "train_b.jsonl"]
    assert [file.name for file in data.dev] == ["dev.jsonl"]
    assert {name: [nbest.id for nbest in lists] for name, lists in data.test_lists().items()} == {
        "x": ["chime4-0", "chime4-1", "chime4-2"],
        "y": ["rats-0", "rats-1", "rats-2"],
    }
    assert (data.snrs_db, data.lab, data.clean_lists()) == ((0.0, 5.0), False, [])
    assert list(data.digests()) == [
        f"{name}.jsonl" for name in ("train_a", "train_b", "dev", "chime4", "rats")
    ]


def test_a_data_file_may_name_a_variable(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "data.yaml"
    path.write_text("tests: {x: [$LISTS/rats.jsonl]}\n")
    monkeypatch.delenv("LISTS", raising=False)
    with pytest.raises(InputError, match=r"data\.yaml: tests\.x: no file matches .*is the variable set\?"):
        load_data(path)
    monkeypatch.setenv("LISTS", str(folder))
    assert load_data(path).tests == {"x": (folder / "rats.jsonl",)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tests: {}", "tests"),
        ("tests: {x: [nowhere.jsonl]}", r"data\.yaml: tests\.x: no file matches"),
        ("tests: {x: [rats.jsonl]}\ntrian: []", "did you mean 'train'"),
        ("- x", "a mapping of keys to values is needed"),
    ],
)
def test_a_data_file_that_says_something_else_is_refused(folder: Path, content: str, message: str) -> None:
    path = folder / "data.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_data(path)


def test_a_folder_of_lists_goes_by_the_names_of_its_files(folder: Path) -> None:
    data = load_data(folder)
    assert list(data.tests) == ["chime4", "rats"]
    assert [file.name for file in (*data.train, *data.dev)] == ["train_a.jsonl", "train_b.jsonl", "dev.jsonl"]


def test_where_there_is_only_a_dev_part_it_is_the_test(tmp_path: Path) -> None:
    for name in ("dev_atis", "wsj.dev", "wsj.train"):
        save_nbest([NBest.from_texts(name, ["a"], reference="a")], tmp_path / f"{name}.jsonl")
    data = load_data(tmp_path)
    assert (list(data.tests), data.dev) == (["dev_atis", "wsj"], ())
    assert [file.name for file in data.train] == ["wsj.train.jsonl"]


def test_a_laboratory_is_known_by_its_lists(lab_folder: Path) -> None:
    data = load_data(lab_folder)
    assert data.lab
    assert [file.name for file in data.train] == ["corrector-more.jsonl"]
    assert len(data.clean_lists()) == 7


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: does not exist"):
        load_data(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no \*\.jsonl"):
        load_data(tmp_path)


def test_an_id_in_two_test_sets_is_refused(folder: Path) -> None:
    save_nbest([NBest.from_texts("rats-1", ["a"], reference="a")], folder / "chime4.jsonl")
    with pytest.raises(InputError, match="'rats-1' is in the test sets 'chime4' and 'rats'"):
        load_data(folder).test_lists()


def test_a_test_set_without_references_is_refused(folder: Path) -> None:
    save_nbest([NBest.from_texts("u", ["a"], reference=" ")], folder / "rats.jsonl")
    with pytest.raises(InputError, match="test set rats: none of the 1 lists has a reference"):
        load_data(folder).test_lists()


def test_lists_without_a_reference_are_counted_and_named(tmp_path: Path) -> None:
    references = ("a b", "", None, "  ", "a")
    lists = [NBest.from_texts(f"u{n}", ["a"], reference=one) for n, one in enumerate(references)]
    save_nbest(lists, tmp_path / "metro.jsonl")
    save_nbest(lists[:1], tmp_path / "train.jsonl")
    data = load_data(tmp_path)
    assert [nbest.id for nbest in data.test_lists()["metro"]] == ["u0", "u4"]
    assert data.without_reference() == (
        "test set metro: 3 of 5 lists have no reference or an empty one, and are left out; the first is 'u1'.",
    )


def test_embeddings_are_among_what_the_data_is(lab_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(lab_folder, tmp_path / "lab")
    before = load_data(tmp_path / "lab").digests()
    assert {"test.jsonl", "test.embeddings.safetensors"} <= before.keys()
    with (tmp_path / "lab" / "lists" / "test.embeddings.safetensors").open("ab") as file:
        file.write(b"more")
    after = load_data(tmp_path / "lab").digests()
    assert {name for name in before if before[name] != after[name]} == {"test.embeddings.safetensors"}


def test_a_quick_look_has_whole_sentences(tmp_path: Path) -> None:
    lists = [
        NBest.from_texts(
            f"s{n}_car-1_{snr}dB", ["a"], reference="a", meta={"noise": "car-1", "snr_db": float(snr)}
        )
        for n in range(50)
        for snr in (0, 5, 10)
    ]
    save_nbest(lists[::-1], tmp_path / "test.jsonl")
    found = load_data(tmp_path).test_lists(quick=True)["test"]
    assert len(found) == 60
    halves = tmp_path / "halves.yaml"
    save_nbest([NBest.from_texts(f"x{n}", ["a"], reference="a") for n in range(50)], tmp_path / "other.jsonl")
    halves.write_text("tests: {a: [test.jsonl], b: [other.jsonl]}", encoding="utf-8")
    assert [len(one) for one in load_data(halves).test_lists(quick=True).values()] == [30, 30]
    assert {nbest.id.split("_")[0] for nbest in found} == {f"s{n}" for n in range(30, 50)}
