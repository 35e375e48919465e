"""Reads and writes manifests, which list recordings, their transcripts, and the clean partner of each noisy recording.

These forms are read:

- JSON Lines, one object a line, and CSV or TSV with a header line, with the keys of `Utterance`. `id` and `audio` are
  required. `offset` and `duration` may take the place of `start` and `end`. Other keys (`speaker`, ...) go to `meta`,
  unless they look like a misspelled one, or like another program's name for one;
- NeMo's JSON Lines with `audio_filepath`, whose rows are named after their files;
- a Kaldi data folder: `wav.scp`, with `text` and `segments` beside it where there are any;
- a `wav.scp` file by itself, which is read as its folder is.

Relative paths are relative to the manifest's folder, so that a folder of recordings and its manifest can be moved.
"""

from robustger.manifest.files import load_manifest, read_manifest, save_manifest
from robustger.manifest.values import Utterance

__all__ = ["Utterance", "load_manifest", "read_manifest", "save_manifest"]
