"""Many clients at once: nothing is lost or mixed up, and their recordings share batches."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx
from tests.service.conftest import Clip, events_of


def test_every_client_gets_its_own_text(serve: Callable[..., Any], clips: list[Clip]) -> None:
    async def asked(client: httpx.AsyncClient, number: int) -> bool:
        clip = clips[number % len(clips)]
        correction = ("full", "none")[number % 5 > 0]
        form = ("json", "text", "stream")[number % 3]
        data = {"response_format": "json" if form == "stream" else form, "correction": correction}
        if form == "stream":
            data["stream"] = "true"
        answer = await client.post("/v1/audio/transcriptions", files={"file": clip.data}, data=data)
        assert answer.status_code == 200
        text = (
            answer.json()["text"]
            if form == "json"
            else events_of(answer.text)[-1]["text"]
            if form == "stream"
            else answer.text.strip()
        )
        return text == (clip.text if correction == "full" else clip.recognized)

    async def all_asked(url: str) -> list[bool]:
        async with httpx.AsyncClient(
            base_url=url, timeout=120, limits=httpx.Limits(max_connections=None)
        ) as client:
            return await asyncio.gather(*(asked(client, number) for number in range(32)))

    with serve(batch_wait_seconds=0.2) as server:
        assert all(asyncio.run(all_asked(server.url)))
        figures = httpx.get(f"{server.url}/metrics").text
        [batches] = re.findall(r"^robustger_batch_size_count (\S+)", figures, re.MULTILINE)
        [items] = re.findall(r"^robustger_batch_size_sum (\S+)", figures, re.MULTILINE)
        assert float(items) == 32
        assert float(batches) <= 12, "clients do not share batches"
        assert "robustger_open_requests 0.0" in figures
