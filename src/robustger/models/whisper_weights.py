"""Converts a Whisper in CTranslate2's format to a folder of transformers with the same float16 weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration

from robustger.errors import InputError
from robustger.models.ctranslate2_file import CTranslate2File
from robustger.models.ctranslate2_folder import describe_ctranslate2


def convert_to_transformers(source: Path, folder: Path) -> None:
    """Writes weights, settings, tokenizer and feature extractor of the model at `source` into `folder`.

    Raises:
        InputError: weights that are not float16 or float32, or do not make a whole Whisper.
    """
    described = describe_ctranslate2(source)
    weights = _weights(described.file, described.config.encoder_layers, described.config.decoder_layers)
    with torch.device("meta"):  # no memory for weights that are replaced at once
        model = WhisperForConditionalGeneration(described.config)
    try:
        model.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise InputError(f"{source}: not a whole Whisper ({' '.join(str(error).split())[:200]})") from None
    model.tie_weights()
    model.config.dtype = torch.float16
    model.generation_config = described.generation
    model.save_pretrained(folder)
    described.tokenizer.save_pretrained(folder)
    described.extractor.save_pretrained(folder)


def _weights(file: CTranslate2File, encoder_layers: int, decoder_layers: int) -> dict[str, torch.Tensor]:
    """The state of `WhisperForConditionalGeneration`, in float16."""
    weights: dict[str, torch.Tensor] = {}

    def read(name: str) -> np.ndarray:
        array = file.read(name)
        if array.dtype not in (np.float16, np.float32):
            raise InputError(
                f"{file.path}: its weights are {array.dtype}, too coarse to convert; run it without conversion, with "
                "--recognizer faster-whisper"
            )
        return array

    def put(target: str, array: np.ndarray) -> None:
        weights[target] = torch.from_numpy(np.ascontiguousarray(array)).half()

    def linear(source: str, *targets: str) -> None:
        """Stores a matrix and its bias; one source may hold several targets, one below the other."""
        rows = (np.split(read(f"{source}/{part}"), len(targets)) for part in ("weight", "bias"))
        for target, weight, bias in zip(targets, *rows, strict=True):
            put(f"{target}.weight", weight)
            if target.endswith("k_proj"):
                if bias.any():
                    raise InputError(f"{file.path}: {source} has a bias for keys, which no Whisper has")
            else:
                put(f"{target}.bias", bias)

    def norm(source: str, target: str) -> None:
        put(f"{target}.weight", read(f"{source}/gamma"))
        put(f"{target}.bias", read(f"{source}/beta"))

    def layer(source: str, target: str, listens: bool) -> None:
        own, heard = f"{target}.self_attn", f"{target}.encoder_attn"
        linear(f"{source}/self_attention/linear_0", f"{own}.q_proj", f"{own}.k_proj", f"{own}.v_proj")
        linear(f"{source}/self_attention/linear_1", f"{own}.out_proj")
        norm(f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
        if listens:
            linear(f"{source}/attention/linear_0", f"{heard}.q_proj")
            linear(f"{source}/attention/linear_1", f"{heard}.k_proj", f"{heard}.v_proj")
            linear(f"{source}/attention/linear_2", f"{heard}.out_proj")
            norm(f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
        linear(f"{source}/ffn/linear_0", f"{target}.fc1")
        linear(f"{source}/ffn/linear_1", f"{target}.fc2")
        norm(f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")

    for half, layers in (("encoder", encoder_layers), ("decoder", decoder_layers)):
        put(f"model.{half}.embed_positions.weight", read(f"{half}/position_encodings/encodings"))
        for number in range(layers):
            layer(f"{half}/layer_{number}", f"model.{half}.layers.{number}", listens=half == "decoder")
        norm(f"{half}/layer_norm", f"model.{half}.layer_norm")
    for convolution in ("conv1", "conv2"):
        linear(f"encoder/{convolution}", f"model.encoder.{convolution}")
    put("model.decoder.embed_tokens.weight", read("decoder/embeddings/weight"))
    weights["proj_out.weight"] = weights["model.decoder.embed_tokens.weight"]
    return weights
