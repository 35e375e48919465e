"""The page of the service, in a real browser against the real service.

The tests need Playwright for Python and Chromium (Debian: `apt-get install chromium`; another place:
ROBUSTGER_CHROMIUM). Those of accessibility need axe-core, too: `npm install axe-core`, and ROBUSTGER_AXE with the path
of its axe.min.js, unless it lies in node_modules.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service is not installed: pip install robustger[serve]")
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
)

from tests.service.conftest import Clip, RunningServer  # noqa: E402

from robustger.pipeline import RobustGER  # noqa: E402
from robustger.service import ServiceSettings  # noqa: E402

ROOT = Path(__file__).parents[2]
DEMO = Path(str(resources.files("robustger.presets"))) / "whisper" / "demo"
CLIP = DEMO / "pink_15dB.flac"  # a correction changes it
CHROMIUM = (
    os.environ.get("ROBUSTGER_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
AXE = Path(os.environ.get("ROBUSTGER_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
SIZES = {"desktop": {"width": 1180, "height": 900}, "phone": {"width": 360, "height": 740}}
KEY = "a key of tests"
PATIENCE_MS = 120_000  # a busy machine must not fail a test

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium: apt-get install chromium")

Opener = Callable[..., Any]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with the preset `whisper`."""
    wanted = {"preset": "whisper", "port": 0, "jobs_folder": tmp_path_factory.mktemp("jobs")}
    settings = ServiceSettings.from_environment(wanted, {})
    models = RobustGER.from_preset("whisper", device="cpu")
    server = RunningServer(settings, lambda: models)
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears: two demo recordings with pauses."""
    import soundfile
    import soxr

    from robustger.audio import read_audio

    path = tmp_path_factory.mktemp("microphone") / "said.wav"
    pause = np.random.default_rng(0).normal(0, 3e-4, 24_000).astype(np.float32)
    said = [read_audio(DEMO / f"{name}.flac") for name in ("pink_15dB", "rain_15dB")]
    samples = np.concatenate([pause, said[0], pause, said[1], pause, pause])
    soundfile.write(path, soxr.resample(samples, 16_000, 48_000), 48_000)  # browsers resample with less care
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}%noloop",
            ],
        )
        yield running
        running.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opener]:
    """Opens the page of a service in a window; at the end, no window may have shown an error in its console."""
    contexts: list[Any] = []
    problems: list[str] = []

    def open_page(address: str, size: str = "desktop", **options: Any) -> Any:
        context = browser.new_context(viewport=SIZES[size], permissions=["microphone"], **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # Answers such as 401 are told to the reader; Chromium notes them as well.
    assert [problem for problem in problems if "the server responded with a status" not in problem] == []


def text_of(page: Any) -> str:
    """The text of the transcript as it is shown, without the marks and tables around it."""
    return " ".join(page.locator("#transcript .text").all_inner_texts()).strip()


def upload(page: Any, clip: Path = CLIP) -> None:
    page.set_input_files("#file", clip)
    page.locator("#progress").wait_for(state="hidden", timeout=PATIENCE_MS)
    page.wait_for_selector("#waveform[aria-valuemax]:not([aria-valuemax='0'])")


def paste(page: Any, text: str) -> None:
    page.click("#tab-list")
    page.fill("#list", text)
    page.click("#correct")
    page.locator("#progress").wait_for(state="hidden", timeout=PATIENCE_MS)


def downloaded(page: Any, form: str) -> tuple[str, str]:
    """The name and the content of a download."""
    with page.expect_download() as waiting:
        page.click(f"#downloads [data-format={form}]")
    download = waiting.value
    return download.suggested_filename, Path(download.path()).read_text(encoding="utf-8")


def demo_list(name: str) -> list[str]:
    lines = (
        resources.files("robustger.presets").joinpath("demo.jsonl").read_text(encoding="utf-8").splitlines()
    )
    return next(entry["hypotheses"] for entry in map(json.loads, lines) if entry["id"] == name)


def test_list_is_corrected_and_changes_are_taken_back(server: RunningServer, opened: Opener) -> None:
    page = opened(server.url)
    hypotheses = demo_list("travel-03")
    paste(page, "\n".join(hypotheses))
    assert " fare from " in text_of(page)
    assert page.locator(".hypotheses tbody tr").count() == len(hypotheses) + 1

    page.locator("#transcript .change", has_text="fare").hover()
    page.wait_for_selector("#card:not([hidden])")
    assert "fair → fare" in page.inner_text("#card")
    page.click("#card button.primary")
    assert text_of(page) == hypotheses[0]
    page.keyboard.press("Control+z")
    assert " fare from " in text_of(page)
    page.keyboard.press("Control+Shift+Z")
    assert text_of(page) == hypotheses[0]
    assert downloaded(page, "txt") == ("List.txt", hypotheses[0] + "\n")
    written = json.loads(downloaded(page, "json")[1])
    assert written["text"] == hypotheses[0]
    assert [(edit["from"], edit["to"], edit["chosen"]) for edit in written["segments"][0]["edits"]] == [
        ("fair", "fare", False)
    ]
    assert page.is_disabled("#downloads [data-format=srt]")


def test_recording_is_heard_corrected_and_subtitled(
    server: RunningServer, clips: list[Clip], opened: Opener
) -> None:
    clip = next(clip for clip in clips if clip.text != clip.recognized)
    page = opened(server.url)
    upload(page, clip.path)
    assert text_of(page) == clip.text

    box = page.locator("#waveform").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    half = float(page.get_attribute("#waveform", "aria-valuenow"))
    assert half == pytest.approx(float(page.get_attribute("#waveform", "aria-valuemax")) / 2, abs=0.2)
    page.locator("#transcript .word").last.click()
    assert page.locator(".word.now").inner_text() == page.locator("#transcript .word").last.inner_text()

    for place in range(page.locator("#transcript .change.kept").count()):
        page.locator("#transcript .change").nth(place).focus()
        page.keyboard.press("Enter")
        for button in page.locator("#card button.primary", has_text="Take back").all():
            button.click()
        page.keyboard.press("Escape")
    assert text_of(page) == clip.recognized

    name, subtitles = downloaded(page, "srt")
    assert name == f"{clip.path.stem}.srt"
    cues = re.findall(r"(\d+)\n([\d:,]+) --> ([\d:,]+)\n(.+?)\n\n", subtitles, re.DOTALL)
    assert [int(number) for number, *_ in cues] == list(range(1, len(cues) + 1))
    assert " ".join(line for *_, lines in cues for line in lines.split("\n")) == clip.recognized
    assert all(start < end for _, start, end, _ in cues)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_clip_from_upload_to_subtitles(size: str, whisper: str, opened: Opener) -> None:
    page = opened(whisper, size)
    assert page.inner_text("#model") == "preset whisper"
    upload(page)
    corrected = text_of(page)
    changes = page.locator("#transcript .change")
    assert changes.count() >= 1
    rows = page.locator(".hypotheses tbody tr").count()
    assert rows in (11, 12)  # the text, ten hypotheses, and perhaps one of the second recognizer
    assert page.locator(".hypotheses .differ").count() > 0
    assert page.is_visible("#noise-text")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]

    page.focus("#waveform")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".word.now").count() == 1
    page.keyboard.press("Home")

    changes.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#card:not([hidden])")
    card = page.inner_text("#card")
    assert "Recognizer" in card
    assert "Language model" in card
    page.keyboard.press("Enter")  # the focus is on the button that takes the change back
    taken_back = text_of(page)
    assert taken_back != corrected
    page.keyboard.press("Escape")
    assert not page.is_visible("#card")
    assert page.evaluate("document.activeElement.classList.contains('undone')")

    _, subtitles = downloaded(page, "srt")
    said = " ".join(
        line for line in subtitles.splitlines() if line and "-->" not in line and not line.isdigit()
    )
    assert said == taken_back
    page.click("#undo")
    assert text_of(page) == corrected
    page.click("#redo")
    assert text_of(page) == taken_back
    assert downloaded(page, "vtt")[1].startswith("WEBVTT\n\n00:00:0")
    assert json.loads(downloaded(page, "json")[1])["text"] == taken_back


@pytest.mark.slow
def test_words_are_highlighted_while_the_recording_plays(whisper: str, opened: Opener) -> None:
    page = opened(whisper)
    upload(page)
    page.evaluate(
        """() => {
            const seen = new Set();
            new MutationObserver(() => {
                const now = document.querySelector(".word.now");
                if (now && seen.size < 4) document.body.dataset.seen = seen.add(now.textContent).size;
            }).observe(document.getElementById("transcript"), {subtree: true, attributes: true});
        }"""
    )
    page.select_option("#speed", "2")
    page.click("#play")
    sync_api.expect(page.locator("body[data-seen='4']")).to_be_attached(timeout=PATIENCE_MS)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#play[aria-label='Play']")


@pytest.mark.slow
def test_change_that_was_held_back_is_applied(whisper: str, opened: Opener) -> None:
    page = opened(whisper)
    lists = [demo_list("everyday-01"), demo_list("everyday-10")]
    paste(page, "\n".join(json.dumps({"hypotheses": hypotheses}) for hypotheses in lists))
    held = page.locator("#transcript .change.held")
    assert held.inner_text() == "flower"
    held.focus()
    page.keyboard.press("Enter")
    assert "Held back" in page.inner_text("#card")
    page.click("#card button.primary")
    assert page.locator("#transcript .text").first.inner_text() == lists[0][0].replace("flower", "flour")
    assert page.locator("#transcript .change.applied").inner_text() == "flour"


@pytest.mark.slow
def test_live_text_is_pending_until_it_is_corrected(whisper: str, opened: Opener) -> None:
    page = opened(whisper)
    page.click("#tab-live")
    page.click("#live")
    page.wait_for_selector(".segment.pending", timeout=PATIENCE_MS)
    assert "not corrected yet" in page.inner_text(".segment.pending")
    page.wait_for_selector(".segment:not(.pending) .text", timeout=PATIENCE_MS)
    page.locator(".segment").nth(1).wait_for(timeout=PATIENCE_MS)
    page.click("#live")
    page.wait_for_selector("#player:not([hidden])", timeout=PATIENCE_MS)
    assert page.locator(".segment.pending").count() == 0
    shown = text_of(page)
    assert "Mexico" in shown
    assert "cheapest fare" in shown
    assert (
        page.locator(".segment .time").first.inner_text() != page.locator(".segment .time").last.inner_text()
    )


@pytest.mark.slow
def test_recording_from_the_microphone(whisper: str, opened: Opener) -> None:
    page = opened(whisper)
    page.click("#record")
    sync_api.expect(page.locator("#record-time")).to_have_text("0:07", timeout=PATIENCE_MS)
    page.click("#record")
    page.wait_for_selector("#transcript .word", timeout=PATIENCE_MS)
    assert "Mexico" in text_of(page)


@pytest.mark.slow
def test_errors_of_the_service_are_shown(server: RunningServer, opened: Opener, tmp_path: Path) -> None:
    page = opened(server.url)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is not a recording" * 20)
    page.set_input_files("#file", broken)
    page.wait_for_selector("#error:not([hidden])")
    assert len(page.inner_text("#error-text")) > 20
    page.click("#error-close")
    paste(page, '{"hypotheses": [1, 2]}')
    assert page.inner_text("#error-text") == "In list 1, every hypothesis must be a text."
    paste(page, "[{")
    assert page.inner_text("#error-text").startswith("This is not valid JSON")
    paste(page, "")
    assert page.inner_text("#error-text").startswith("Paste a list first")


@pytest.mark.slow
def test_long_recording_becomes_a_job(serve: Callable[..., Any], clips: list[Clip], opened: Opener) -> None:
    with serve(max_audio_seconds=0.5) as server:
        page = opened(server.url)
        with page.expect_response(lambda response: response.request.method == "DELETE"):
            upload(page, clips[0].path)
        assert text_of(page) == clips[0].text
        assert server.app.state.jobs.store.counts()["done"] == 0  # the page has taken its result away


@pytest.mark.slow
def test_key_is_asked_for_and_texts_are_no_markup(serve: Callable[..., Any], opened: Opener) -> None:
    with serve(api_key=KEY) as server:
        page = opened(server.url)
        page.wait_for_selector("#key-dialog[open]")
        page.fill("#key", "a wrong key")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key-refusal:not([hidden])")
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        sync_api.expect(page.locator("#model")).to_have_text("preset lab")
        hostile = "<img src=x onerror=alert(1)> says <b>this</b>"
        paste(page, f"{hostile}\n{hostile}")
        assert text_of(page) == hostile
        assert page.locator("#transcript img, #transcript b").count() == 0
        page.reload()  # the key stays in the tab
        sync_api.expect(page.locator("#model")).to_have_text("preset lab")


@pytest.mark.slow
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed; ROBUSTGER_AXE names its axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing(size: str, scheme: str, whisper: str, opened: Opener) -> None:
    page = opened(whisper, size, color_scheme=scheme, bypass_csp=True)  # axe is a foreign script
    page.evaluate(AXE.read_text(encoding="utf-8"))

    def check(state: str) -> None:
        found = page.evaluate("axe.run(document).then(({violations}) => violations)")
        assert [(state, one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []

    check("start")
    upload(page)
    check("result")
    page.locator("#transcript .change").first.focus()
    page.keyboard.press("Enter")
    check("card")
    page.locator("#card button.primary").first.click()
    page.keyboard.press("Escape")
    check("taken back")
    paste(page, "")
    check("error")
    page.click("#tab-live")
    check("live")
    page.click("#set-key")
    check("key")
