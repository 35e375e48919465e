"""Small real inputs of every reader, which `benchmarks/generated_inputs.py` mutates."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.mutation import Files


def _lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


LISTS: Sequence[Files] = [
    {
        "lists.jsonl": _lines(
            {"id": "u1", "hypotheses": ["what is the fair", "what is the fare"], "scores": [-0.2, -1.5e1]},
            {
                "id": 2,
                "hypotheses": ["turn of the light", ""],
                "reference": "turn off the light",
                "meta": {"snr_db": 5},
            },
            {
                "id": "ü/3",
                "hypotheses": ["a"],
                "audio": "a b.wav",
                "start": 0.5,
                "end": 1e3,
                "meta": {"noise": "car"},
            },
            {
                "id": "4",
                "hypotheses": ["a", "b"],
                "written": ["A.", "B!"],
                "audio_embedding": {"file": "x", "noisy": 3},
            },
        )
    },
    {
        "lists.jsonl": b'\xef\xbb\xbf{"id": "x", "hypotheses": ["\\u00e4", "b"]}\r\n\r\n{"id": 7, "hypotheses": ["c"]}'
    },
]

CORRECTIONS: Sequence[Files] = [
    {
        "texts.jsonl": _lines(
            {"id": "u1", "text": "what is the fare", "written": "What is the fare?", "confidence": 0.5},
            {"id": 7, "text": "", "error": "line 3"},
            {"id": "ü", "text": "turn off the light"},
        )
    }
]

_HYPORADISE = [
    {"input": ["what is the fair", "what is the fare"], "output": "what is the fare", "score": [-0.5, -1]},
    {"input1": "turn of the light", "input2": "turn off. the lite", "output": "turn off the light"},
]

_KALDI = {"wav.scp": b"r1 a.wav\nr2 sub/b.flac\n", "text": b"u1 what is the fare\nu2 \n"}

FOREIGN: Mapping[str, Sequence[Files]] = {
    "hyporadise": [{"data.json": json.dumps(_HYPORADISE).encode()}, {"data.json": _lines(*_HYPORADISE)}],
    "espnet": [
        {
            f"output.1/{rank}best_recog/{name}": content
            for rank in (1, 2)
            for name, content in (
                ("text", b"u1 what is\nu2 turn of\n"),
                ("score", b"u1 -1.5\nu2 tensor(-0.25)\n"),
            )
        }
    ],
    "espnet1": [
        {
            "data.json": json.dumps(
                {
                    "utts": {
                        "u1": {
                            "output": [
                                {
                                    "rec_text": "what<space>is<eos>",
                                    "text": "what is",
                                    "score": -1.5,
                                    "name": "target1[1]",
                                },
                                {
                                    "rec_text": "what<space>as<eos>",
                                    "text": "what is",
                                    "score": -2.5,
                                    "name": "target1[2]",
                                },
                            ],
                            "utt2spk": "s1",
                        }
                    }
                }
            ).encode()
        }
    ],
    "nemo": [
        {
            "beams.jsonl": _lines(
                {
                    "audio_filepath": "a.wav",
                    "duration": 1.5,
                    "text": "what is",
                    "beams": [["what is", -1.5], ["as", -2]],
                },
                {
                    "audio_filepath": "b/a.wav",
                    "offset": 1.0,
                    "duration": 2,
                    "text": "turn",
                    "beams": ["turn", "burn"],
                },
            )
        }
    ],
    "nemo-table": [
        {
            "beams.tsv": b"what is\t-1.5\nwhat as\t-2.5\nturn of\t-0.5\nturn off\t-1.0\n",
            "manifest.jsonl": _lines(
                {"audio_filepath": "a.wav", "text": "what is"},
                {"audio_filepath": "b.wav", "text": "turn off"},
            ),
        }
    ],
    "kaldi": [
        {
            "lists.txt": b"u1-1 what is\nu1-2 what as\nu2-1 turn of\nu2-10 turn off\n",
            "text": b"u1 what is\nu2 turn off\n",
        }
    ],
    "kaldi-archives": [
        {
            "archives.1/words_text": b"u1-1 what is\nu1-2 what as\n",
            "archives.1/lmwt.withlm": b"u1-1 3.5\nu1-2 4.5\n",
            "archives.1/acwt": b"u1-1 -30\nu1-2 -40.5\n",
        }
    ],
}

MANIFESTS: Mapping[str, Sequence[Files]] = {
    "jsonl": [
        {
            "manifest.jsonl": _lines(
                {
                    "id": "u1",
                    "audio": "a.wav",
                    "text": "what is",
                    "clean_audio": "c.wav",
                    "noise": "car",
                    "snr_db": 5.0,
                },
                {"id": 2, "audio": "b.wav", "offset": 1.5, "duration": 3, "speaker": "s1", "lang": "en"},
                {"id": "u3", "audio": "/x/b.wav", "start": 1, "end": 2.5, "meta": {"a": [1, None]}},
            )
        },
        {
            "manifest.jsonl": _lines(
                {"audio_filepath": "a.wav", "duration": 1.5, "text": "what is", "pred_text": "x"},
                {"audio_filepath": "b/a.wav", "duration": 1.5, "offset": 2.0, "text": "what"},
            )
        },
    ],
    "csv": [
        {
            "manifest.csv": b'id,audio,text,snr_db,speaker\nu1,a.wav,"what, is",5,s1\nu2,"b ""x"".wav",turn,-2.5,\n'
        },
        {"manifest.csv": "id;audio;text\r\nü;a.wav;was ist\r\n".encode()},
    ],
    "tsv": [{"manifest.tsv": b"id\taudio\tstart\tend\nu1\ta.wav\t0.5\t2\nu2\tb.wav\t\t\n"}],
    "kaldi": [
        {"wav.scp": b"u1 a.wav\nu2 sub/b.flac\n", "text": _KALDI["text"]},
        _KALDI | {"segments": b"u1 r1 0.5 2.25\nu2 r2 1 3\n", "utt2spk": b"u1 s1\nu2 s2\n"},
    ],
}

CONFIGS: Mapping[str, Sequence[Files]] = {
    "training": [
        {
            "training.yaml": b"""output: runs/a
dtype: float32
seed: 3
tracking: none
corrector:
  base: model
  variant: paper
  n_best: 5
  encoder: minilm
  noise_dimension: 384
  max_new_tokens: 64
  lora: {r: 8, alpha: 16, targets: [q_proj, v_proj]}
data:
  train: [a.jsonl, 'b*.jsonl']
  dev: ["$HOME/dev.jsonl"]
optimization: {epochs: 2, batch_size: 4, adapter_lr: 1.0e-2, max_grad_norm: .inf}
distillation: {objective: paper, weight: 0.5}
evaluation:
  every_steps: 2 # steps
"""
        }
    ],
    "data": [
        {
            "data.yaml": b"train: [train.jsonl]\ndev: []\ntests:\n  car: [test*.jsonl]\n  rain: [rain.jsonl]\n"
            b"snr_db: [0, 5.5]\n",
            "rain.jsonl": _lines({"id": "c", "hypotheses": ["x"], "reference": "x", "meta": {"snr_db": 5}}),
            "train.jsonl": _lines({"id": "a", "hypotheses": ["x"], "reference": "x", "meta": {"snr_db": 5}}),
            "test.jsonl": _lines(
                {"id": "b", "hypotheses": ["x"], "reference": "y", "meta": {"noise": "car", "snr_db": 0}}
            ),
        },
        {
            "data.yaml": b"tests: &t\n  car: [test.jsonl]\n",
            "test.jsonl": _lines({"id": "b", "hypotheses": ["x"], "reference": "y"}),
        },
    ],
    "recognizer": [
        {
            "recognizer.yaml": b"kind: whisper\nmodel: openai/whisper-tiny.en\nn: 5\nbeams: 10\nnormalizer: number\n"
            b"corrector: whisper\noptions: {device: cpu, language: en}\n"
        }
    ],
    "corrector": [
        {
            "config.yaml": b"base: model\nvariant: paper\nprompt: compact\nn_best: 5\nencoder: minilm\nnoise: real\n"
            b"noise_dimension: 384\nfirst_layer: 1\nslots: 10\nmax_new_tokens: 128\nskip_agreeing: true\n"
            b"guard: {name: edits, max_edit_rate: 0.5}\nlanguages: [en]\n"
        }
    ],
}

_STATE = {"settings": {"a": 1}, "units": 2, "counts": {"lists": 2}, "sizes": {"lists.jsonl": 5}}
_MIXED = {
    "id": "u1_car_5dB",
    "audio": "noisy/u1.flac",
    "meta": {"mix": {"source_id": "u1", "made_from": "ab"}},
}

JOURNALS: Mapping[str, Sequence[Files]] = {
    "journal": [{"state.json": json.dumps(_STATE).encode(), "lists.jsonl": b"123456789"}],
    "mix": [
        {
            "mixed/mix.json": b'{"seed": 0}',
            "mixed/manifest.jsonl": _lines(
                {"id": "u1", "audio": "noisy/u1.flac", "clean_audio": "clean/u1.flac"}
            ),
            "mixed/rows.partial.jsonl": _lines(["u1", [_MIXED]], ["u2", []]),
        }
    ],
}


def AUDIO() -> dict[str, list[Files]]:
    """Half a second of sound in several containers."""
    import numpy as np
    import soundfile

    sound = (0.1 * np.random.default_rng(0).standard_normal(8000)).astype("f4")
    found: dict[str, list[Files]] = {}
    for kind, subtype in (
        ("wav", "PCM_16"),
        ("wav", "FLOAT"),
        ("flac", None),
        ("mp3", None),
        ("ogg", None),
        ("aiff", None),
    ):
        for rate in (16_000, 44_100):
            file = io.BytesIO()
            soundfile.write(file, sound, rate, format=kind, subtype=subtype)
            found.setdefault(kind, []).append({f"sound.{kind}": file.getvalue()})
    for kind, codec in (("m4a", "aac"), ("webm", "libopus")):
        found[kind] = [{f"sound.{kind}": _with_ffmpeg({"m4a": "ipod"}.get(kind, kind), codec, sound)}]
    return found


def _with_ffmpeg(container: str, codec: str, sound: Any) -> bytes:
    import av
    import numpy as np

    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.repeat(sound, 3)[None], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        convert = av.AudioResampler(stream.format.name, "mono", 48_000, frame_size=stream.frame_size or 0)
        for part in [*convert.resample(frame), *convert.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


def build_models(data: Path) -> None:
    """Writes tiny models, a checkpoint, lists with embeddings, and files of torch."""
    import torch
    from tests.heard_lists import save_heard_lists
    from tests.tiny_llm import build_tiny_corrector, build_tiny_encoder, build_tiny_llm
    from tests.tiny_whisper import build_tiny_whisper

    from robustger.hypotheses import NBest

    base, encoder = build_tiny_llm(data / "llm"), build_tiny_encoder(data / "encoder")
    build_tiny_corrector(base, encoder).save_pretrained(data / "checkpoint")
    build_tiny_whisper(data / "whisper")
    (data / "heard").mkdir()
    save_heard_lists(
        [NBest.from_texts(f"u{n}", ["a", "b"]) for n in range(3)], data / "heard" / "lists.jsonl"
    )
    items = [
        {
            "id": f"F0{number}_BUS",
            "input": ["what is", "what as"],
            "ground_truth": "what is",
            "input_ids": torch.arange(12),
            "labels": torch.arange(12),
            "emb_diff": torch.ones(5, 8),
            "audio_emb": torch.ones(6, 4),
            "clean_audio_emb": torch.ones(6, 4),
        }
        for number in range(2)
    ]
    for name in ("torch", "state"):
        (data / name).mkdir()
    torch.save(items, data / "torch" / "new.pt")
    torch.save(items, data / "torch" / "old.pt", _use_new_zipfile_serialization=False)
    torch.save(
        {"model": {"transformer.h.1.attn.adapter_wte.weight": torch.ones(4, 8)}}, data / "state" / "state.pt"
    )


def torch_files(data: Path, folder: str = "torch") -> list[Files]:
    """The files of torch that `build_models` wrote."""
    return [{"items.pt": path.read_bytes()} for path in sorted((data / folder).iterdir())]
