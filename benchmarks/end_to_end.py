"""From recordings to corrected text against the time they last: python benchmarks/end_to_end.py [--quick]

Runs the preset `lab`, with its models loaded, on the clips of `robustger demo`: first one clip at a time, then all in
one call, in which they share batches. The real-time factor is seconds of work per second of audio.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timing import COST, Row, as_json, seconds, significant

from robustger import RobustGER
from robustger.audio import SAMPLE_RATE, read_audio
from robustger.pipeline.transcription import Failure


def measure(quick: bool) -> list[Row]:
    """Real-time factors of the preset `lab`."""
    clips = sorted(
        str(clip) for clip in (Path(str(files("robustger.presets"))) / "lab" / "demo").glob("*.flac")
    )
    clips, rounds = (clips[:1], 1) if quick else (clips, 3)
    audio_seconds = sum(read_audio(clip).size for clip in clips) / SAMPLE_RATE
    robustger = RobustGER.from_preset("lab")

    def one_by_one() -> None:
        for clip in clips:
            robustger.transcribe(clip)

    def together() -> None:
        failed = [found for found in robustger.transcribe_files(clips) if isinstance(found, Failure)]
        if failed:
            sys.exit(f"end_to_end: {failed[0]}")

    robustger.transcribe(clips[0])  # loads the models
    rows = []
    for name, run in (("one by one", one_by_one), ("in one call", together)):
        factors = tuple(seconds(run) / audio_seconds for _ in range(rounds))
        rows.append(
            Row(
                "f",
                f"audio to text, {name}",
                "the audio's own time",
                factors,
                COST,
                details={"clips": len(clips), "audio_seconds": significant(audio_seconds)},
            )
        )
    return rows


if __name__ == "__main__":
    print(as_json(measure("--quick" in sys.argv[1:]), benchmark="end_to_end"), end="")
