"""NOIZEUS: 30 IEEE sentences, clean and in eight noises at four SNRs, 8 kHz.

Layout: https://ecs.utdallas.edu/loizou/speech/noizeus/. An archive of `sp01.wav` ... `sp30.wav` and one archive for
every noise and SNR with files `sp01_airport_sn0.wav`. The names say everything, so the files are looked for at any
depth, however the archives were unpacked. The transcripts are a table on that page: write them to `transcripts.txt` in
the folder, lines of `sp01 words`.

The paper's test set is the noisy files, its main result those at 5 dB (240). Its training set under this name is
LibriSpeech and VoiceBank speech of up to 12 words in AURORA-2 noise; docs/how-to/corpora.md has the commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow, files_below
from robustger.errors import InputError
from robustger.manifest import Utterance

NOIZEUS_SENTENCES = tuple(f"sp{number:02d}" for number in range(1, 31))
NOIZEUS_NOISES = ("airport", "babble", "car", "exhibition", "restaurant", "station", "street", "train")
NOIZEUS_SNRS_DB = (0, 5, 10, 15)
_NOISY = re.compile(r"(sp\d\d)_([a-z]+)_sn(\d+)")
_CLEAN = re.compile(r"sp\d\d")


def _read(scan: Scan) -> Iterator[SplitRow]:
    if not scan.folder.is_dir():
        raise InputError(f"{scan.folder}: no such folder; name the one that NOIZEUS was unpacked to")
    noisy, clean = [], {}
    for path in files_below(scan.folder, ".wav"):
        if match := _NOISY.fullmatch(path.stem):
            noisy.append((path, match[1], match[2], int(match[3])))
        elif _CLEAN.fullmatch(path.stem):
            clean.setdefault(path.stem, []).append(path)
    if not noisy and not clean:
        raise InputError(
            f"{scan.folder}: is not NOIZEUS: no file is called like sp01_airport_sn0.wav or sp01.wav"
        )
    listed = scan.folder / "transcripts.txt"
    texts = {}
    if listed.is_file():
        texts = scan.transcripts(listed)
    else:
        scan.problem(
            listed,
            "there is no such file: no transcripts; write the corpus's table there, in lines of 'sp01 WORDS'",
        )
    for id_ in sorted(texts.keys() - set(NOIZEUS_SENTENCES)):
        scan.problem(listed, f"{id_!r} is no sentence of NOIZEUS (sp01 to sp30)")

    found = set()
    for path, sentence, noise, snr_db in noisy:
        if sentence not in NOIZEUS_SENTENCES or noise not in NOIZEUS_NOISES or snr_db not in NOIZEUS_SNRS_DB:
            scan.problem(path, "no sentence, noise and SNR of NOIZEUS; left out")
            continue
        found.add(path.stem)
        if (split := f"test-{snr_db}dB") in scan.splits:
            partner = clean.get(sentence, [None])[0]
            meta = {"sentence": sentence}
            yield (
                split,
                Utterance(path.stem, path, texts.get(sentence), partner, noise, float(snr_db), meta=meta),
            )
    for snr_db in NOIZEUS_SNRS_DB:
        names = [
            f"{sentence}_{noise}_sn{snr_db}" for noise in NOIZEUS_NOISES for sentence in NOIZEUS_SENTENCES
        ]
        if (split := f"test-{snr_db}dB") in scan.splits:
            scan.missing[split] += [name for name in names if name not in found]
    if "clean" in scan.splits:
        for sentence, paths in clean.items():
            for path in paths:
                yield "clean", Utterance(sentence, path, texts.get(sentence))
        scan.missing["clean"] += [sentence for sentence in NOIZEUS_SENTENCES if sentence not in clean]


CORPORA.register("noizeus")(
    Corpus(
        "NOIZEUS",
        (
            *(
                Split(f"test-{snr_db}dB", 240, f"30 sentences in 8 noises at {snr_db} dB")
                for snr_db in NOIZEUS_SNRS_DB
            ),
            Split("clean", 30, "the sentences without noise"),
        ),
        _read,
    )
)
