"""Lowers the rank of a checkpoint's LoRA updates, so that its file is smaller.

    python -m lab.truncate_lora CHECKPOINT RANK OUTPUT

Every update (alpha / r) B A is replaced by its best approximation of the lower rank in the Frobenius norm (Eckart and
Young, 1936): the `RANK` largest singular values and their vectors. `alpha` is lowered with `r`, so the factor alpha / r
stays the same. Everything else is copied. The script prints which share of the updates' squared norm is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from robustger.correction.checkpoint import CONFIG, WEIGHTS
from robustger.files import atomic_folder

SUFFIX_A, SUFFIX_B = ".lora_A.weight", ".lora_B.weight"


def truncated(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor, float]:
    """Factors of the best approximation of B A by a matrix of a lower rank.

    Args:
        a: (r, inputs).
        b: (outputs, r).
        rank: of the approximation, at most r.

    Returns:
        A' (rank, inputs) and B' (outputs, rank) in float64, which share the singular values evenly, and the share of
        the squared Frobenius norm that is kept.
    """
    # The QR decompositions bring the problem down to an r x r matrix; B A itself is never made.
    q_b, r_b = torch.linalg.qr(b.double())
    q_a, r_a = torch.linalg.qr(a.double().T)
    u, s, vt = torch.linalg.svd(r_b @ r_a.T)
    root = s[:rank].sqrt()
    kept = float((s[:rank] ** 2).sum() / (s**2).sum())
    return root[:, None] * (vt[:rank] @ q_a.T), (q_b @ u[:, :rank]) * root, kept


def truncate(checkpoint: Path, rank: int, output: Path) -> float:
    """Writes the checkpoint with updates of a lower rank, in float16; returns the mean share of the norm kept."""
    weights = load_file(checkpoint / WEIGHTS)
    config = yaml.safe_load((checkpoint / CONFIG).read_text(encoding="utf-8"))
    lora = config["lora"]
    config["lora"] = lora | {"r": rank, "alpha": lora["alpha"] * rank / lora["r"]}
    shares = []
    for name in [name for name in weights if name.endswith(SUFFIX_A)]:
        other = name.removesuffix(SUFFIX_A) + SUFFIX_B
        a, b, kept = truncated(weights[name], weights[other], rank)
        # float16 holds the factors, whose entries are small, three bits more exactly than bfloat16.
        weights[name], weights[other] = a.half().contiguous(), b.half().contiguous()
        shares.append(kept)
    with atomic_folder(output, own_file=CONFIG) as folder:
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return sum(shares) / len(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description="Lower the rank of a checkpoint's LoRA updates.")
    parser.add_argument("checkpoint", type=Path, help="folder of the checkpoint")
    parser.add_argument("rank", type=int, help="rank of the updates that are written")
    parser.add_argument("output", type=Path, help="folder to write")
    arguments = parser.parse_args()
    kept = truncate(arguments.checkpoint, arguments.rank, arguments.output)
    print(f"rank {arguments.rank}: {100 * kept:.3f} % of the updates' squared norm, averaged over the layers")


if __name__ == "__main__":
    main()
