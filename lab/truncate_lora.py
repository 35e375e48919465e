"""Makes a checkpoint smaller: keeps only the directions of its LoRA updates that matter.

    python -m lab.truncate_lora CHECKPOINT SHARE OUTPUT

Every update (alpha / r) B A is a sum of directions, one for each singular value. A direction of a layer costs as many
numbers as the layer has inputs and outputs. Of all layers together, the directions with the largest squared singular
value per number are kept, until SHARE of the sum of all squared singular values is reached. So every layer gets the
best approximation of its own rank in the Frobenius norm (Eckart and Young, 1936). `r` becomes the highest of these
ranks, and `alpha` changes with it, so that the factor alpha / r stays. Everything else is copied.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from robustger.correction.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from robustger.files import atomic_folder
from robustger.yaml_files import read_yaml

SUFFIX_A, SUFFIX_B = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True, slots=True)
class Update:
    """The singular value decomposition of an update B A = U diag(S) V.

    Attributes:
        u: (outputs, r).
        s: (r,), falling.
        v: (r, inputs).
    """

    u: Tensor
    s: Tensor
    v: Tensor

    @classmethod
    def of(cls, a: Tensor, b: Tensor) -> Update:
        """Decomposes the product of b (outputs, r) and a (r, inputs), which is never made, in float64."""
        q_b, r_b = torch.linalg.qr(b.double())
        q_a, r_a = torch.linalg.qr(a.double().T)
        u, s, v = torch.linalg.svd(r_b @ r_a.T)
        return cls(q_b @ u, s, v @ q_a.T)

    @property
    def gains(self) -> Tensor:
        """The squared singular values per number that their direction takes: (r,)."""
        return self.s**2 / (self.u.shape[0] + self.v.shape[1])

    def factors(self, rank: int) -> tuple[Tensor, Tensor]:
        """A (rank, inputs) and B (outputs, rank) of the best approximation of that rank, alike in size."""
        root = self.s[:rank].sqrt()
        return root[:, None] * self.v[:rank], self.u[:, :rank] * root


def ranks(updates: dict[str, Update], share: float) -> dict[str, int]:
    """The rank of each update, at least 1, so that together they keep a share of all squared singular values."""
    gains = torch.cat([update.gains for update in updates.values()])
    squares = torch.cat([update.s**2 for update in updates.values()])
    order = gains.argsort(descending=True)
    kept = int((squares[order].cumsum(0) < share * squares.sum()).sum()) + 1
    least = gains[order[min(kept, len(order)) - 1]]
    return {name: max(1, int((update.gains >= least).sum())) for name, update in updates.items()}


def rounded(values: Tensor, bits: int) -> Tensor:
    """Rounds to a number of significant bits; what is rounded away packs into nothing, in git and in a wheel."""
    mantissa, exponent = torch.frexp(values)
    return torch.ldexp((mantissa * 2**bits).round() / 2**bits, exponent)


def truncate(checkpoint: Path, share: float, output: Path, bits: int = 8) -> dict[str, int]:
    """Writes the smaller checkpoint, with factors of so many significant bits.

    Returns:
        the rank of every update by the layer's name.
    """
    weights = load_file(checkpoint / WEIGHTS_FILE)
    config = read_yaml(checkpoint / CONFIG_FILE)
    layers = [name.removesuffix(SUFFIX_A) for name in weights if name.endswith(SUFFIX_A)]
    updates = {name: Update.of(weights[name + SUFFIX_A], weights[name + SUFFIX_B]) for name in layers}
    found = ranks(updates, share)
    for name, update in updates.items():
        a, b = update.factors(found[name])
        dtype = weights[name + SUFFIX_A].dtype
        weights[name + SUFFIX_A], weights[name + SUFFIX_B] = (
            rounded(factor, bits).to(dtype).contiguous() for factor in (a, b)
        )
    lora, highest = config["lora"], max(found.values())
    config["lora"] = lora | {"r": highest, "alpha": lora["alpha"] * highest / lora["r"]}
    with atomic_folder(output, own_file=CONFIG_FILE) as folder:
        save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        (folder / CONFIG_FILE).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Keep only the directions of a checkpoint's LoRA updates that matter."
    )
    parser.add_argument("checkpoint", type=Path, help="folder of the checkpoint")
    parser.add_argument("share", type=float, help="share of the updates' squared norm to keep, such as 0.98")
    parser.add_argument("output", type=Path, help="folder to write")
    parser.add_argument("--bits", type=int, default=8, help="significant bits of the factors; bfloat16 has 8")
    arguments = parser.parse_args()
    found = truncate(arguments.checkpoint, arguments.share, arguments.output, arguments.bits)
    sizes = [
        (folder / WEIGHTS_FILE).stat().st_size / 1e6 for folder in (arguments.checkpoint, arguments.output)
    ]
    print(f"ranks {min(found.values())} to {max(found.values())}; {sizes[0]:.1f} MB became {sizes[1]:.1f} MB")


if __name__ == "__main__":
    main()
