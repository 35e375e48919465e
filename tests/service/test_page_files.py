"""The files of the page: nothing comes from elsewhere, and nothing but its own scripts and styles may run."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

PAGE_FOLDER = Path(__file__).parents[2] / "src" / "robustger" / "service" / "page"


def test_policy_allows_the_player_its_style_and_nothing_more() -> None:
    start = (PAGE_FOLDER / "index.html").read_text(encoding="utf-8")
    player = (PAGE_FOLDER / "vendor" / "wavesurfer.esm.js").read_text(encoding="utf-8")
    template = re.search(r'nonce="\$\{\w+\}"`:""\}>(.*?)</style>', player)
    assert template
    height = re.search(r"height: (\d+)", (PAGE_FOLDER / "player.js").read_text(encoding="utf-8"))
    assert height
    style = re.sub(r"\$\{this\.getHeight\([^}]*\)\}", height.group(1), template.group(1).replace("\\n", "\n"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'self' 'sha256-{digest}';" in start
    assert "unsafe" not in start
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", start)
    own = [path.read_text(encoding="utf-8") for path in PAGE_FOLDER.glob("*.js")]
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write"
    assert not any(re.search(rf"{markup}|[\"'`(]https?://", code) for code in own)
    assert all(code.count("\n") <= 400 for code in own)
