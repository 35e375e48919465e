"""Transcriptions through a running server: forms, rules about fields, and our own parts of the answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.service.conftest import Clip, RunningServer, events_of


def test_json_holds_the_text_of_the_command_line(server: RunningServer, clip: Clip) -> None:
    answer = server.post(clip, model="lab")
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == clip.text
    assert set(answer.json()) == {"text", "usage"}
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])


def test_text_is_the_text(server: RunningServer, clip: Clip) -> None:
    answer = server.post(clip, response_format="text")
    assert answer.text == clip.text + "\n"
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_subtitles_hold_every_word(server: RunningServer, clip: Clip, form: str) -> None:
    answer = server.post(clip, response_format=form)
    lines = [line for line in answer.text.splitlines() if not re.fullmatch(r"WEBVTT|\d+|.*-->.*", line)]
    assert " ".join(" ".join(lines).split()) == clip.text
    assert " --> " in answer.text
    assert ("WEBVTT" in answer.text) == (form == "vtt")


@pytest.mark.parametrize(
    ("granularities", "keys"),
    [
        ([], {"segments"}),
        (["segment"], {"segments"}),
        (["word"], {"words"}),
        (["word", "segment"], {"words", "segments"}),
    ],
)
def test_granularities_follow_the_rules_of_openai(
    server: RunningServer, clip: Clip, granularities: list[str], keys: set[str]
) -> None:
    answer = server.post(
        clip, response_format="verbose_json", timestamp_granularities=granularities, correction="none"
    ).json()
    assert keys == answer.keys() & {"segments", "words"}
    if "words" in keys:
        assert " ".join(word["word"] for word in answer["words"]) == answer["text"]
        times = [time for word in answer["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert times[-1] <= answer["duration"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "json", "timestamp_granularities": ["word"]}, "timestamp_granularities"),
        (
            {"response_format": "verbose_json", "timestamp_granularities": ["letter"]},
            "timestamp_granularities",
        ),
        ({"response_format": "xml"}, "response_format"),
        ({"response_format": "verbose_json", "include": ["logprobs"]}, "include"),
        ({"response_format": "text", "include": ["nbest"]}, "include"),
        ({"include": ["everything"]}, "include"),
        ({"response_format": "srt", "stream": "true"}, "stream"),
        ({"stream": "perhaps"}, "stream"),
        ({"temperature": "7"}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"correction": "some"}, "correction"),
        ({"language": "de"}, "language"),
        ({"language": "Klingon"}, "language"),
    ],
)
def test_wrong_fields_are_named(
    server: RunningServer, clip: Clip, fields: dict[str, Any], param: str
) -> None:
    answer = server.post(clip, **fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert set(error) == {"message", "type", "param", "code"}
    assert param in error["message"]


def test_an_unknown_model_is_not_found(server: RunningServer, clip: Clip) -> None:
    answer = server.post(clip, model="gpt-nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_a_missing_file_is_told(server: RunningServer) -> None:
    answer = server.post(None)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


def test_ignored_fields_are_accepted(server: RunningServer, clip: Clip) -> None:
    answer = server.post(
        clip, temperature="0.5", prompt="Island", chunking_strategy="auto", correction="none", unknown="x"
    )
    assert answer.status_code == 200


def test_without_correction_the_recognizer_is_heard(server: RunningServer, clips: list[Clip]) -> None:
    changed = next(clip for clip in clips if clip.text != clip.recognized)
    assert server.post(changed, correction="none").json()["text"] == changed.recognized


def test_our_own_parts_stand_beside_those_of_openai(server: RunningServer, clips: list[Clip]) -> None:
    changed = next(clip for clip in clips if clip.text != clip.recognized)
    answer = server.post(
        changed,
        response_format="verbose_json",
        timestamp_granularities=["word"],
        include=["nbest", "uncorrected", "edits", "noise"],
    ).json()
    own = answer["robustger"]
    assert own["uncorrected"] == changed.recognized
    [segment] = own["segments"]
    assert segment["text"] == answer["text"] == changed.text
    assert segment["nbest"][0]["written"] == changed.recognized
    assert any(edit["kept"] for edit in segment["edits"])
    assert all(edit["reason"].endswith(".") for edit in segment["edits"])
    assert applied(changed.recognized, segment["edits"]) == changed.text
    assert segment["noise"] > 0
    assert all(0 <= word["confidence"] <= 1 for word in segment["words"])


def applied(text: str, edits: list[dict[str, Any]]) -> str:
    """The text after the edits that were kept."""
    words = text.split()
    for edit in sorted(edits, key=lambda edit: -edit["word"]):
        if edit["kept"]:
            old = edit["from"].split()
            assert words[edit["word"] : edit["word"] + len(old)] == old
            words[edit["word"] : edit["word"] + len(old)] = edit["to"].split()
    return " ".join(words)


def test_log_probabilities_belong_to_the_words(server: RunningServer, clip: Clip) -> None:
    found = server.post(clip, include=["logprobs"]).json()["logprobs"]
    assert "".join(each["token"] for each in found) == clip.text
    assert all(each["logprob"] <= 0 and bytes(each["bytes"]).decode() == each["token"] for each in found)


def test_streamed_deltas_make_the_text(server: RunningServer, clip: Clip) -> None:
    answer = server.post(clip, stream="true", include=["edits"])
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    kinds = [event["type"] for event in events]
    assert kinds == ["transcript.text.delta", "robustger.segment", "transcript.text.done"]
    assert "".join(event.get("delta", "") for event in events) == events[-1]["text"] == clip.text
    assert events[1]["text"] == clip.text


def test_a_stream_of_something_else_is_an_error_and_no_stream(server: RunningServer, clip: Clip) -> None:
    import httpx

    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions", data={"stream": "true"}, files={"file": b"no sound at all"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_audio"


def test_models_health_and_figures(server: RunningServer, clip: Clip) -> None:
    import httpx

    server.post(clip)
    models = httpx.get(f"{server.url}/v1/models").json()
    assert [model["id"] for model in models["data"]] == ["lab"]
    assert httpx.get(f"{server.url}/v1/models/lab").json()["object"] == "model"
    assert httpx.get(f"{server.url}/v1/models/other").status_code == 404
    assert httpx.get(f"{server.url}/health").json()["status"] == "ok"
    figures = httpx.get(f"{server.url}/metrics").text
    for name in (
        "robustger_queue_items",
        "robustger_batch_size_count",
        'robustger_stage_seconds_count{stage="recognition"}',
        "robustger_llm_passes_total",
        'robustger_edits_total{decision="held_back"}',
        'robustger_jobs{status="queued"}',
    ):
        assert name in figures
