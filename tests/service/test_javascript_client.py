"""The official JavaScript package of OpenAI against a running server; needs node, and the package in a folder:

npm install --prefix FOLDER openai && ROBUSTGER_NODE_MODULES=FOLDER/node_modules pytest -m slow tests/service
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.service.conftest import Clip, RunningServer

SCRIPT = Path(__file__).with_name("openai_client.mjs")


@pytest.mark.slow
def test_every_form(server: RunningServer, clip: Clip) -> None:
    node, modules = shutil.which("node"), os.environ.get("ROBUSTGER_NODE_MODULES")
    if node is None or modules is None:
        pytest.skip("needs node, and the folder of the package openai in ROBUSTGER_NODE_MODULES")
    done = subprocess.run(
        [node, SCRIPT, modules, server.url, clip.path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["json"] == found["logprobs"] == clip.text
    assert found["verbose"] == [clip.text] * 3
    assert found["text"] == f"{clip.text}\n"
    assert " --> " in found["srt"]
    assert found["vtt"].startswith("WEBVTT")
    assert [event["type"] for event in found["events"]] == ["transcript.text.delta", "transcript.text.done"]
    assert found["events"][-1]["text"] == clip.text
    assert found["error"] == [True, "model_not_found"]
