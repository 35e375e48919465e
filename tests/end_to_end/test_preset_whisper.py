"""The shipped corrector on real and on written lists, with the embedded language model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from tests.cli.conftest import Result
from tests.cli.conftest import robustger as robustger  # a fixture

from robustger import Corrector, NBest, evaluate, load_nbest
from robustger.models import MODELS

pytestmark = pytest.mark.skipif(
    any(model.source() is None for model in MODELS.values()),
    reason="needs the embedded models: robustger models fetch smollm2-135m",
)


@pytest.fixture(scope="module")
def corrector() -> Corrector:
    return Corrector.from_pretrained("whisper")


def test_the_adapter_is_small_enough_to_ship():
    folder = Path(str(resources.files("robustger.presets"))) / "whisper"
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 40e6


def test_a_known_word_in_the_wrong_place_is_put_right(corrector: Corrector):
    texts = ["what is the fair for a taxi to denver"] * 3 + ["what is the fare for a taxi to denver"] * 2
    [transcript] = corrector.correct([NBest.from_texts("u1", texts)])
    assert transcript.text == "what is the fare for a taxi to denver"
    assert transcript.source == "llm"
    assert transcript.confidence > 0.5


def test_corrections_do_not_depend_on_the_batch(corrector: Corrector):
    lists = load_nbest(str(resources.files("robustger.presets") / "demo.jsonl"))[:6]
    together = [transcript.text for transcript in corrector.correct(lists)]
    alone = [corrector.correct([nbest])[0].text for nbest in lists]
    assert together == alone


def test_real_lists_of_atis_lose_a_third_of_their_errors(corrector: Corrector):
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no real lists")
    lists = load_nbest(Path(data) / "hyporadise" / "atis.dev.jsonl")[:40]
    transcripts = corrector.correct(lists)
    rates = evaluate(lists, {t.id: t.text for t in transcripts}).to_json_dict()["normalizers"]
    assert rates["raw"]["wer"]["corrected"] < 0.67 * rates["raw"]["wer"]["best"]
    assert rates["number"]["wer"]["corrected"] < rates["number"]["wer"]["best"]


def test_correct_and_evaluate_from_the_command_line(robustger: Callable[..., Result], tmp_path: Path):
    demo = Path(str(resources.files("robustger.presets"))) / "demo.jsonl"
    source, target = tmp_path / "lists.jsonl", tmp_path / "out.jsonl"
    lines = demo.read_text(encoding="utf-8").splitlines(keepends=True)
    source.write_text("".join(lines[:4]), encoding="utf-8")
    assert robustger("correct", source, "-o", target).code == 0
    written = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in written] == [nbest.id for nbest in load_nbest(source)]
    measured = robustger("evaluate", source, "--corrections", target, "--json")
    assert measured.code == 0
    rates = json.loads(measured.out)["normalizers"]["number"]["wer"]
    assert rates["o_cp"] <= rates["o_nb"] <= rates["best"]
    assert rates["corrected"] < rates["best"]


def test_lists_written_for_it_come_out_better_than_they_went_in(corrector):
    lists = load_nbest(str(resources.files("robustger.presets") / "demo.jsonl"))
    transcripts = corrector.correct(lists)
    report = evaluate(lists, {transcript.id: transcript.text for transcript in transcripts}, ["raw"])
    rates = report.normalizers["raw"].wer
    assert rates["o_cp"] <= rates["o_nb"] <= rates["best"]
    assert rates["corrected"] < 0.8 * rates["best"]
