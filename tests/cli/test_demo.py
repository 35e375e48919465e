"""`robustger demo` on recordings: what it prints and draws."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tiny_preset import build_tiny_preset
from tests.voice import save_voice

from robustger.hypotheses import NBest, Transcript
from robustger.models import MODELS
from robustger.pipeline.clips import Clip, spectrograms
from robustger.pipeline.judged import judged, marked
from robustger.pipeline.transcription import Segment
from robustger.recognition.recognizer import TimedWord

TEXT = "what is the fare from boston to denver"


@pytest.fixture(scope="module")
def preset(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset with three recordings at two SNRs and one whose SNR is not known."""
    folder = build_tiny_preset(tmp_path_factory.mktemp("tiny") / "preset", tiny_checkpoint)
    (folder / "demo").mkdir()
    rows = []
    for seed, snr_db in enumerate([5, 0, 0, None]):
        row = {"id": f"clip-{seed}", "audio": f"{seed}.flac", "text": TEXT}
        save_voice(folder / "demo" / f"{seed}.flac", 1.0 + 0.2 * seed, seed)
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
    assert "clip-1  rain at 0 dB, 0.0 - 1.2 s" in result.out
    assert result.out.count("said       " + TEXT) == 4
    assert all(f"\n   {rank} " in result.out for rank in range(1, 6))
    rows = {line.split("│")[1].strip() for line in result.out.splitlines() if line.count("│") > 2}
    assert {"0 dB", "5 dB", "unknown", "all"} <= rows
    assert "format-only" in result.out
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path for path in tmp_path.iterdir() if path.suffix == ".partial"] == []


def test_without_matplotlib_it_says_how_to_get_the_picture(
    robustger, preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = robustger("demo", "--preset", preset, "--show", 1, "--picture", tmp_path / "clips.png")
    assert result.code == 0
    assert result.out.count("said       ") == 1
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
    save_voice(folder / "demo" / "0.flac", 1.0, 1)
    save_voice(folder / "demo" / "long.flac", 4.0, 1)
    (folder / "demo" / "demo.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    result = robustger("demo", "--preset", folder, "--picture", tmp_path / "clips.png")
    assert result.code == 2
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert not (tmp_path / "clips.png").exists()


def test_a_recording_of_ones_own_has_lists_times_and_a_picture(
    robustger, preset: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "own.png"
    save_voice(tmp_path / "own.wav", 5.0, 3)  # several windows of the recognizer
    result = robustger("demo", tmp_path / "own.wav", "--preset", preset, "--picture", picture, "--show", 2)
    assert (result.code, result.err) == (0, "")
    assert result.out.count("  recognized ") == result.out.count("  corrected  ") == 2
    assert "own#1  0.0 - " in result.out
    assert " more parts" in result.out
    assert "said" not in result.out
    assert "WER" not in result.out  # nobody knows what is said
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_what_is_said_can_be_given(robustger, preset: Path, tmp_path: Path) -> None:
    save_voice(tmp_path / "own.wav", 1.0, 3)
    options = ["--preset", preset, "--picture", tmp_path / "own.png", "--reference", TEXT]
    result = robustger("demo", tmp_path / "own.wav", *options)
    assert result.code == 0
    assert "  said       " + TEXT in result.out
    assert "WER in %" in result.out
    save_voice(tmp_path / "long.wav", 5.0, 3)
    for arguments, message in [
        ([tmp_path / "long.wav", *options], "longer than a window"),
        (options, "--reference says what is spoken in a recording of your own"),
        ([tmp_path / "none.wav", *options], "none.wav: "),
    ]:
        result = robustger("demo", *arguments)
        assert result.code == 2
        assert result.err.count("\n") == 1
        assert message in result.err


@pytest.mark.slow
def test_without_whispers_weights_it_says_what_to_install_and_shows_the_laboratory(
    robustger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whisper, sources = MODELS["whisper-base"], type(MODELS["whisper-base"]).sources
    monkeypatch.setattr(
        type(whisper), "sources", lambda self: None if self is whisper else sources(self)
    )  # the language model stays
    result = robustger("demo", "--show", 1, "--picture", tmp_path / "clips.png")
    assert result.code == 0
    assert "get it with: robustger models fetch whisper-base" in result.out
    assert "Instead, this shows the laboratory" in result.out
    assert "WER in %" in result.out
    save_voice(tmp_path / "own.wav", 1.0, 3)
    result = robustger("demo", tmp_path / "own.wav", "--picture", tmp_path / "own.png")
    assert result.code == 2  # the laboratory's recognizer would hear nonsense in it
    assert "get it with: robustger models fetch whisper-base" in result.err
    assert not (tmp_path / "own.png").exists()


@pytest.mark.slow
def test_the_clips_of_whisper_have_lists_with_better_hypotheses(
    robustger, embedded_whisper: Callable[[str], str], tmp_path: Path
) -> None:
    embedded_whisper("whisper-base")
    result = robustger("demo", "--show", 1, "--picture", tmp_path / "clips.png")
    assert (result.code, result.err) == (0, "")
    [total] = [line for line in result.out.splitlines() if line.startswith("│ all ")]
    clips, words, best, _, best_hypothesis, corrected = (cell.strip() for cell in total.split("│")[2:-1])
    assert (clips, words) == ("5", "62")
    assert 0 < float(best_hypothesis) < float(best) < 50
    assert 0 <= float(corrected) < 50


def test_a_change_that_is_wrong_is_not_shown_as_a_success() -> None:
    said = "the fare to Leeds is ten pounds"
    heard = "the fair to Leeds is ten pound"
    written = "the fare to Leads was ten pence"
    verdicts = [(part.before, part.after, part.verdict) for part in judged(heard, written, said)]
    assert [(" ".join(p.text for p in after), verdict) for _, after, verdict in verdicts] == [
        ("the", "same"),
        ("fare", "better"),
        ("to", "same"),
        ("Leads was", "worse"),
        ("ten", "same"),
        ("pence", "neither"),
    ]
    assert {part.verdict for part in judged(heard, written, None)} == {"same", "unknown"}


def test_only_the_right_words_of_a_change_that_helps_are_shown_as_right() -> None:
    [_, changed] = judged("please tomorrow", "please turn rite", "please turn right")
    assert (changed.verdict, changed.word_verdicts) == ("better", ("better", "neither"))
    assert changed.judgment == "partly right"
    [_, right] = judged("please tomorrow", "please turn right", "please turn right")
    assert (right.word_verdicts, right.judgment) == (("better", "better"), "right")
    [_, dropped] = judged("please now", "please", "please")
    assert (dropped.word_verdicts, dropped.judgment) == ((), "right")


def test_the_picture_has_the_reference_seconds_a_scale_and_a_word_is_green_only_where_it_is_right(
    tmp_path: Path,
) -> None:
    pytest.importorskip("matplotlib")
    save_voice(tmp_path / "a.wav", 1.0, 1)
    heard, said, written = "please tomorrow two", "please turn right", "please turn rite"
    nbest = NBest.from_texts("a", [heard], reference=said)
    transcript = Transcript("a", written, heard, written, "llm", "none", 0.9)
    words = tuple(TimedWord(word, n / 3, (n + 1) / 3) for n, word in enumerate(written.split()))
    clip = Clip("a", str(tmp_path / "a.wav"), Segment(0.0, 1.0, nbest, transcript, words), said)
    figure = spectrograms([clip])
    drawn, scale = figure.axes
    assert "reference: please turn right" in drawn.get_title(loc="left")
    assert "changes: tomorrow two -> turn rite (partly right)" in drawn.get_title(loc="left")
    assert drawn.get_xlabel() == "time in seconds"
    assert drawn.get_xlim() == (0.0, 1.0)
    assert scale.get_ylabel() == "dB, the loudest is 0"
    [above] = drawn.child_axes
    colors = {label.get_text(): label.get_color() for label in above.get_xticklabels()}
    assert colors == {"please": "black", "turn": "green", "rite": "darkorange"}
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "changed, and right" in shown
    assert "changed, and still wrong" in shown


def test_judgments_are_made_in_the_form_of_the_normalizer() -> None:
    parts = judged("It is Fair.", "It is fare!", "it is fare", lambda text: text.lower().strip(".!"))
    assert [part.verdict for part in parts] == ["same", "better"]
    case_only = judged("It is Fare.", "It is fare.", "it is fare", lambda text: text.lower().strip(".!"))
    assert [part.verdict for part in case_only] == ["same", "neither"]


def test_markup_in_texts_is_text() -> None:
    [same, changed] = judged("a [bold]b", "a [bold]c", None)
    assert marked([(same.after, ""), (changed.after, "green")]) == "a [green]\\[bold]c[/]"
