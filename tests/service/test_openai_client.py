"""The official Python package of OpenAI, unchanged, against a running server; its answers fit the package's types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose
from tests.service.conftest import Clip, RunningServer


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def strict(value: Any) -> Any:
    """The same answer, validated: the package itself lets wrong types pass."""
    return type(value).model_validate(value.model_dump(exclude_unset=True), strict=False)


def test_json(client: openai.OpenAI, clip: Clip) -> None:
    answer = client.audio.transcriptions.create(file=clip.path, model="whisper-1")
    assert isinstance(answer, Transcription)
    assert strict(answer).text == clip.text


def test_json_with_log_probabilities(client: openai.OpenAI, clip: Clip) -> None:
    answer = client.audio.transcriptions.create(
        file=clip.path, model="lab", response_format="json", include=["logprobs"]
    )
    assert "".join(each.token or "" for each in strict(answer).logprobs) == clip.text


def test_verbose_json(client: openai.OpenAI, clip: Clip) -> None:
    answer = client.audio.transcriptions.create(
        file=clip.path,
        model="lab",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
        prompt="Ferry, island",
        temperature=0,
    )
    assert isinstance(answer, TranscriptionVerbose)
    found = strict(answer)
    assert (found.text, found.language) == (clip.text, "english")
    assert " ".join(word.word for word in found.words) == clip.text
    assert [segment.text for segment in found.segments] == [clip.text]


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
def test_texts(client: openai.OpenAI, clip: Clip, form: Any) -> None:
    answer = client.audio.transcriptions.create(file=clip.path, model="lab", response_format=form)
    assert isinstance(answer, str)
    assert clip.text.split()[0] in answer


def test_a_stream(client: openai.OpenAI, clip: Clip) -> None:
    with client.audio.transcriptions.create(file=clip.path, model="lab", stream=True) as stream:
        events = [strict(event) for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1].text == clip.text


def test_models(client: openai.OpenAI) -> None:
    assert [strict(model).id for model in client.models.list()] == ["lab"]


def test_errors_become_the_errors_of_the_package(client: openai.OpenAI, clip: Clip) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(file=("x.wav", b"nothing that sounds"), model="lab")
    assert refused.value.code == "invalid_audio"
    with pytest.raises(openai.NotFoundError) as refused:
        client.audio.transcriptions.create(file=clip.path, model="other")
    assert refused.value.code == "model_not_found"
