"""Builds a tiny random language model and a tiny random sentence encoder in folders like real checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustger.correction import Corrector

SENTENCES = (
    "what is the fare from boston to denver on sunday",
    "show me the first flight that leaves before nine in the morning",
    "the night train to lisbon leaves from platform four at a quarter past nine",
    "she said that the well-known singer wouldn't be there until half past ten",
    "please turn off the light in the kitchen and close the door",
)


def _tiny_tokenizer() -> Any:
    """Byte-level BPE, so that no text is unknown to it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    bpe.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def build_tiny_llm(folder: Path) -> Path:
    """Writes a tiny random Llama and its tokenizer; returns `folder`.

    What it writes is noise, but depends on all it reads, and ends after a few words as often as not.
    """
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = _tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    llama: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in llama.named_parameters():
            if "norm" not in name:
                weight.normal_(std=1.0 if "embed" in name else 0.25, generator=generator)
        # The first channel is the same everywhere and reaches only the end's logit: it says how often answers end.
        llama.model.embed_tokens.weight[:, 0] = 1.0
        for layer in llama.model.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        llama.lm_head.weight[:, 0] = 0.0
        llama.lm_head.weight[tokenizer.eos_token_id, 0] = 7.0
    # As instruction-tuned models come: settings for chats, which must not bend a correction.
    llama.generation_config = GenerationConfig(
        do_sample=True, temperature=0.7, repetition_penalty=1.3, eos_token_id=tokenizer.eos_token_id
    )
    llama.save_pretrained(folder)
    return folder


def build_tiny_encoder(folder: Path) -> Path:
    """Writes a tiny random sentence encoder of 16 dimensions; returns `folder`."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = _tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,
    )
    encoder = BertModel(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.normal_(std=0.5, generator=generator)
    encoder.save_pretrained(folder)
    return folder


def build_tiny_corrector(base: Path, encoder: Path, /, **changes: Any) -> Corrector:
    """A corrector on tiny models, in float32 on the CPU; its noise prompt is random, so that noise changes its answers.

    Args:
        base: from `build_tiny_llm`.
        encoder: from `build_tiny_encoder`.
        changes: of its configuration.
    """
    import torch

    from robustger.correction import Corrector, CorrectorConfig
    from robustger.correction.checkpoint import trained_parameters

    given = {
        "base": base,
        "encoder": encoder,
        "noise_dimension": 16,
        "max_new_tokens": 24,
    } | changes
    config = CorrectorConfig.model_validate(
        {**given, "base": str(given["base"]), "encoder": str(given["encoder"])}
    )
    corrector = Corrector.create(config, torch.float32, "cpu")
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in trained_parameters(corrector.llm).values():
            parameter.normal_(std=0.3, generator=generator)
    return corrector
