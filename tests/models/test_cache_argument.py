"""The cache goes by the name that the installed transformers has, so that no user reads a warning of the old one."""

from __future__ import annotations

import inspect
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import robustger
from robustger.models.cache_argument import CACHE_ARGUMENT


def test_the_installed_transformers_takes_and_returns_the_cache_by_this_name_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
    }
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=8, **sizes))
    assert CACHE_ARGUMENT in inspect.signature(LlamaForCausalLM.forward).parameters
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        first = llama(input_ids=torch.tensor([[1, 2]]), use_cache=True)
        cache = getattr(first, CACHE_ARGUMENT)
        llama(input_ids=torch.tensor([[3]]), use_cache=True, **{CACHE_ARGUMENT: cache})
    assert cache.get_seq_length() == 3
    assert not caplog.records


def test_no_other_file_writes_either_name() -> None:
    source = Path(robustger.__file__).parent
    writers = [file for file in source.rglob("*.py") if "past_key_values" in file.read_text(encoding="utf-8")]
    assert writers == [source / "models" / "cache_argument.py"]
