"""Evaluation of groups, of clusters, beside another system, and in characters."""

from __future__ import annotations

import json
import random

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.evaluation import evaluate, evaluate_domains, paired_bootstrap, wer
from robustger.evaluation.units import ERROR_UNITS
from robustger.hypotheses import NBest


def corpus(count: int = 60, speakers: int = 4) -> tuple[list[NBest], dict[str, str], dict[str, str]]:
    """Lists of some speakers at three SNRs, the corrections of a good system and of a worse one."""
    random_ = random.Random(3)
    lists, good, poor = [], {}, {}

    def damaged(words: list[str], rate: float) -> str:
        return " ".join("um" if random_.random() < rate else word for word in words)

    for number in range(count):
        truth = [random_.choice("abcdefgh") for _ in range(3 + number % 9)]
        snr_db = (0, 5, 10)[number % 3]
        meta = {"snr_db": snr_db, "speaker": f"s{number % speakers}"}
        texts = [damaged(truth, 0.4 - snr_db / 50) for _ in range(3)]
        lists.append(NBest.from_texts(str(number), texts, reference=" ".join(truth), meta=meta))
        good[str(number)], poor[str(number)] = damaged(truth, 0.1), damaged(truth, 0.2)
    return lists, good, poor


LISTS, GOOD, POOR = corpus()


def test_a_group_is_evaluated_as_its_lists_by_themselves():
    report = evaluate(LISTS, GOOD, by=["snr_db"])
    assert list(report.by["snr_db"]) == ["0", "5", "10"]
    for name, group in report.by["snr_db"].items():
        own = [nbest for nbest in LISTS if nbest.meta["snr_db"] == int(name)]
        alone = evaluate(own, {nbest.id: GOOD[nbest.id] for nbest in own})
        for normalizer, figures in group.normalizers.items():
            expected = alone.normalizers[normalizer]
            assert (figures.errors, figures.words) == (expected.errors, expected.words)
            assert (figures.operations, figures.edits) == (expected.operations, expected.edits)
            assert figures.recovered == expected.recovered
            assert figures.versus_best is not None
            assert expected.versus_best is not None
            assert figures.versus_best.matched_pairs == expected.versus_best.matched_pairs
        assert (group.utterances, group.format_only.wer) == (alone.utterances, alone.format_only.wer)


def test_groups_do_not_depend_on_other_groupings_and_leave_the_whole_as_it_is():
    one, both = evaluate(LISTS, GOOD, by=["snr_db"]), evaluate(LISTS, GOOD, by=["length:4,8", "snr_db"])
    assert one.by["snr_db"] == both.by["snr_db"]
    assert both.normalizers == evaluate(LISTS, GOOD).normalizers
    assert list(both.by) == ["length", "snr_db"]
    assert sum(group.utterances for group in both.by["length"].values()) == len(LISTS)


def test_groups_are_pooled_over_domains():
    halves = {"x": LISTS[:30], "y": LISTS[30:]}
    corrections = {name: {nbest.id: GOOD[nbest.id] for nbest in lists} for name, lists in halves.items()}
    total = evaluate_domains(halves, corrections, by=["speaker"]).total
    whole = evaluate(LISTS, GOOD, by=["speaker"])
    assert list(total.by["speaker"]) == list(whole.by["speaker"])
    for name, group in whole.by["speaker"].items():
        pooled = total.by["speaker"][name]
        assert pooled.normalizers["raw"].errors == group.normalizers["raw"].errors
        assert pooled.utterances == group.utterances


def test_a_field_that_one_domain_lacks_is_missing_there():
    plain = [NBest.from_texts("p", ["a"], reference="a")]
    total = evaluate_domains({"x": LISTS[:6], "y": plain}, by=["speaker"]).total
    assert list(total.by["speaker"]) == ["s0", "s1", "s2", "s3", "(none)"]
    assert total.by["speaker"]["(none)"].utterances == 1


def test_groups_are_in_json_and_tables():
    report = evaluate(LISTS, GOOD, by=["speaker"])
    result = report.to_json_dict()
    assert list(result["by"]["speaker"]) == ["s0", "s1", "s2", "s3"]
    assert "by" not in result["by"]["speaker"]["s0"]
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    markdown = report.to_markdown()
    assert markdown.count("| speaker | utterances | words |") == 2
    assert markdown.count("| s3 | 15 |") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"by": ["snr"]},
            "no list has the field 'snr'; known fields: audio, id, length, reference, snr_db, speaker",
        ),
        ({"by": ["snr_db", "snr_db:5"]}, "given twice"),
        ({"cluster": "room"}, "60 lists lack the field 'room' to resample by ('0', '1', '2', ...)"),
        ({"unit": "sylable"}, "unknown unit 'sylable'; choose one of: word, char"),
    ],
)
def test_settings_that_do_not_fit_are_refused(arguments, message: str):
    with pytest.raises(InputError) as caught:
        evaluate(LISTS, **arguments)
    assert message in str(caught.value)
    with pytest.raises(InputError):
        evaluate_domains({"x": LISTS}, **arguments)


def test_clusters_are_resampled_whole():
    lists, good, _ = corpus(speakers=24)
    by_speaker, by_utterance = evaluate(lists, good, cluster="speaker"), evaluate(lists, good)
    assert (by_speaker.bootstrap.over, by_speaker.bootstrap.independent) == ("speaker", 24)
    assert (by_utterance.bootstrap.over, by_utterance.bootstrap.independent) == ("utterance", 60)
    assert "bootstrap over 24 values of 'speaker'" in by_speaker.to_markdown()
    one, other = by_speaker.normalizers["raw"], by_utterance.normalizers["raw"]
    assert one.wer == other.wer
    assert one.wer_interval != other.wer_interval
    # the same speakers' sums, drawn by hand
    errors = [(nbest.meta["speaker"], wer([nbest.reference], [nbest.best])) for nbest in lists]
    columns = [(counts.errors, counts.words) for _, counts in errors]
    result = paired_bootstrap(
        [errors for errors, _ in columns],
        [wer([nbest.reference], [good[nbest.id]]).errors for nbest in lists],
        [words for _, words in columns],
        clusters=[int(speaker[1:]) for speaker, _ in errors],
    )
    assert one.comparison is not None
    assert result.relative_interval == one.comparison.relative_interval


def test_every_utterance_a_cluster_of_its_own_is_the_plain_bootstrap():
    assert evaluate(LISTS, GOOD, cluster="id").normalizers == evaluate(LISTS, GOOD).normalizers


def test_another_system_beside():
    raw = evaluate(LISTS, GOOD, against=POOR).normalizers["raw"]
    alone = evaluate(LISTS, POOR).normalizers["raw"]
    assert raw.wer["against"] == alone.wer["corrected"]
    assert raw.wer_interval["against"] == alone.wer_interval["corrected"]
    assert raw.operations["against"] == alone.operations["corrected"]
    assert raw.versus_best == evaluate(LISTS, GOOD).normalizers["raw"].versus_best
    versus = raw.versus_against
    assert versus is not None
    assert versus.comparison.relative_reduction == pytest.approx(
        1 - raw.errors["corrected"] / raw.errors["against"]
    )
    assert versus.comparison.relative_interval.low > 0
    assert versus.matched_pairs.p_value < 0.05
    assert versus.matched_pairs.z > 0
    assert versus.edits.better > versus.edits.worse
    mirrored = evaluate(LISTS, POOR, against=GOOD).normalizers["raw"].versus_against
    assert mirrored is not None
    assert mirrored.matched_pairs.z == -versus.matched_pairs.z
    assert mirrored.matched_pairs.p_value == versus.matched_pairs.p_value
    assert (mirrored.edits.better, mirrored.edits.worse) == (versus.edits.worse, versus.edits.better)


def test_the_other_system_is_in_json_and_tables():
    report = evaluate(LISTS, GOOD, against=POOR, by=["snr_db"])
    result = report.to_json_dict()["normalizers"]["raw"]
    assert set(result["against"]) == {"comparison", "matched_pairs", "edits"}
    assert list(result["wer"]) == ["best", "o_nb", "o_cp", "corrected", "against"]
    assert "| matched pairs with against | z " in report.to_markdown()
    assert "| against | change from against |" in report.to_markdown()


def test_a_system_beside_itself_is_no_different():
    versus = evaluate(LISTS, GOOD, against=GOOD).normalizers["raw"].versus_against
    assert versus is not None
    assert versus.matched_pairs.p_value == 1
    assert versus.comparison.relative_reduction == 0
    assert (versus.edits.changed, versus.edits.equal) == (0, 60)


def test_systems_that_cover_different_utterances_are_refused_by_id():
    fewer = {id_: text for id_, text in POOR.items() if id_ not in ("7", "11")}
    with pytest.raises(InputError) as caught:
        evaluate(LISTS, GOOD, against={**fewer, "x": "a"})
    assert "the two systems cover different utterances" in str(caught.value)
    assert "2 only in corrections ('11', '7'), 1 only in against ('x')" in str(caught.value)
    with pytest.raises(InputError, match="none to compare"):
        evaluate(LISTS, against=POOR)
    with pytest.raises(InputError, match=r"^y: the two systems"):
        evaluate_domains({"y": LISTS}, {"y": GOOD}, against={"y": fewer})
    unreferenced = [*LISTS, NBest.from_texts("n", ["x"])]
    assert evaluate(unreferenced, {**GOOD, "n": "x"}, against=POOR).utterances == 60


def test_recovered_share():
    lists = [
        NBest.from_texts("a", ["x y c", "a y c", "x b c"], reference="a b c"),  # 2 errors, o_nb 1, o_cp 0
        NBest.from_texts("b", ["d x", "d y"], reference="d e"),  # 1 error that no list can repair
    ]
    raw = evaluate(lists, {"a": "a y c", "b": "d x"}).normalizers["raw"]
    assert raw.recovered == {"o_nb": 1.0, "o_cp": 0.5}
    assert evaluate(lists, {"a": "a b c", "b": "d e"}).normalizers["raw"].recovered == {
        "o_nb": 3.0,
        "o_cp": 1.5,
    }
    assert evaluate(lists, {"a": "x y z", "b": "d x"}).normalizers["raw"].recovered == {
        "o_nb": -1.0,
        "o_cp": -0.5,
    }
    nothing = evaluate(lists[1:], {"b": "d e"})
    assert nothing.to_json_dict()["normalizers"]["raw"]["recovered"] == {"o_nb": None, "o_cp": None}
    assert "| RIR of o_nb | n/a | n/a |" in nothing.to_markdown()


def test_o_nb_recovers_all_it_can():
    perfect = {
        nbest.id: min(nbest.texts, key=lambda text, truth=nbest.reference: wer([truth], [text]).errors)
        for nbest in LISTS
    }
    raw = evaluate(LISTS, perfect).normalizers["raw"]
    assert raw.recovered["o_nb"] == 1
    assert (raw.recovered_interval["o_nb"].low, raw.recovered_interval["o_nb"].high) == (1, 1)
    assert 0 < raw.recovered["o_cp"] < 1


def test_empty_references_are_named():
    lists = [
        NBest.from_texts("a", ["x y"], reference=""),
        NBest.from_texts("b", ["x"], reference="..."),
        NBest.from_texts("c", ["x"], reference="x"),
    ]
    report = evaluate(lists, {"a": "", "b": "x", "c": "x"}, by=["length:0"])
    assert report.normalizers["raw"].empty_references == ("a",)
    assert report.normalizers["number"].empty_references == ("a", "b")
    assert report.normalizers["number"].operations["best"].insertions == 3
    assert report.to_json_dict()["normalizers"]["number"]["empty_references"] == ["a", "b"]
    assert report.by["length"]["≤ 0"].normalizers["raw"].empty_references == ("a",)
    pooled = evaluate_domains({"x": lists[:1], "y": lists[1:]}).total
    assert pooled.normalizers["number"].empty_references == ("a", "b")


def test_cer_agrees_with_jiwer_on_random_texts_without_spaces():
    random_ = random.Random(1)

    def text() -> str:
        return "".join(random_.choices("あいうえ漢字\u0e01", k=random_.randrange(1, 12)))

    references, hypotheses = zip(*[(text(), text()) for _ in range(2_000)], strict=True)
    expected = jiwer.process_characters(list(references), list(hypotheses))
    result = wer(references, hypotheses, unit="char")
    assert (result.substitutions, result.deletions, result.insertions) == (
        expected.substitutions,
        expected.deletions,
        expected.insertions,
    )
    assert result.rate == pytest.approx(expected.cer, abs=1e-15)


def test_white_space_is_no_character():
    assert wer(["今日 は"], ["今日は"], unit="char").errors == 0
    assert wer(["今日 は"], ["今日は"]).errors == 2
    report = evaluate([NBest.from_texts("a", ["今日 は", "明日は"], reference="明日は")], unit="char")
    assert (report.normalizers["raw"].words, report.normalizers["raw"].errors["best"]) == (3, 1)
    assert report.to_json_dict()["unit"] == "char"
    assert report.to_markdown().startswith("**CER in %**")


TEXT = st.lists(st.sampled_from(["ab", "ba", "one", "1", "mid-air", "é", "字"]), max_size=5).map(" ".join)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=5), TEXT, TEXT), min_size=1, max_size=5),
    st.sampled_from(ERROR_UNITS.names()),
)
def test_laws_hold_for_any_lists_in_any_unit(rows: list[tuple[str, list[str], str, str]], unit: str):
    lists = [
        NBest.from_texts(str(number), texts, reference=truth)
        for number, (truth, texts, *_) in enumerate(rows)
    ]
    corrections = {str(number): text for number, (*_, text, _) in enumerate(rows)}
    against = {str(number): text for number, (*_, text) in enumerate(rows)}
    report = evaluate(lists, corrections, against=against, unit=unit, by=["length:1,3"], resamples=20)
    for part in (report, *report.by["length"].values()):
        for figures in part.normalizers.values():
            errors = figures.errors
            assert errors["o_cp"] <= errors["o_nb"] <= errors["best"]
            assert np.isnan(figures.recovered["o_nb"]) == (errors["o_nb"] == errors["best"])
            for base, versus in (("best", figures.versus_best), ("against", figures.versus_against)):
                assert versus is not None
                difference = errors[base] - errors["corrected"]
                pairs = versus.matched_pairs
                assert pairs.mean_difference * pairs.segments == pytest.approx(difference)
                assert versus.edits.errors_removed - versus.edits.errors_added == difference
    for name, figures in report.normalizers.items():
        groups = [group.normalizers[name] for group in report.by["length"].values()]
        for system, count in figures.errors.items():
            assert sum(group.errors[system] for group in groups) == count
