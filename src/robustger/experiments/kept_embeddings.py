"""Digests that stand in for embeddings of audio that are not kept, or not whole.

Trainings are found again by a digest of the lists and the embeddings that they were made of. The embeddings of the
laboratory's lists are large, and only new trainings read most of them. So the repository keeps only those rows of
`NAME.embeddings.safetensors` that figures read, or none, and keeps the digests of the whole file in
`NAME.embeddings.safetensors.digest.json`:

==========  ==========================================================================================================
`sha256`    the SHA-256 of the whole file of embeddings
`lists`     for files of lists that name the embeddings: the digest of both, by the SHA-256 of the file of lists
==========  ==========================================================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from robustger.errors import InputError
from robustger.files import sha256_of

DIGEST_SUFFIX = ".digest.json"


@dataclass(frozen=True, slots=True)
class KeptDigest:
    """The digests of a file of embeddings that is not kept as a whole.

    Attributes:
        sha256: of the file.
        lists: the digest of a file of lists and all embeddings that it names, by the SHA-256 of the file of lists.
    """

    sha256: str
    lists: dict[str, str]

    @classmethod
    def of(cls, embeddings: Path, named_by: str = "a list") -> KeptDigest:
        """Reads the digest that is kept of a file of embeddings.

        Args:
            embeddings: the file that is not there, or not whole.
            named_by: what names the file, for the error message.

        Raises:
            InputError: there is no digest, or it is broken.
        """
        path = digest_path(embeddings)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(content["sha256"]), dict(content["lists"]))
        except FileNotFoundError:
            raise InputError(
                f"{embeddings}: does not exist, though {named_by} names it; make the lists again"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}: is not a digest of embeddings; remove it and unpack it again"
            ) from None

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps({"sha256": self.sha256, "lists": dict(sorted(self.lists.items()))}, indent=1) + "\n"


def digest_path(embeddings: Path) -> Path:
    """Where the digest of a file of embeddings is kept."""
    return embeddings.with_name(embeddings.name + DIGEST_SUFFIX)


def is_whole(embeddings: Path) -> bool:
    """Whether a file of embeddings is there, and no digest says that it was a larger one."""
    return embeddings.exists() and not digest_path(embeddings).exists()


def kept_paths(embeddings: Path) -> list[Path]:
    """The existing files among a file of embeddings and its digest."""
    return [path for path in (embeddings, digest_path(embeddings)) if path.exists()]


def embeddings_sha256(embeddings: Path) -> str:
    """The SHA-256 of a whole file of embeddings, also where only its digest is kept.

    Raises:
        InputError: neither is there.
    """
    return sha256_of(embeddings) if is_whole(embeddings) else KeptDigest.of(embeddings).sha256


def refuse_unkept(embeddings: Path, what: str) -> None:
    """Raises an error if a file of embeddings is not kept as a whole.

    Args:
        embeddings: the file that is needed.
        what: needs it, with a verb: "3 trainings need".

    Raises:
        InputError: the message says which command makes the file.
    """
    if digest_path(embeddings).exists():
        raise InputError(
            f"{embeddings}: {what} these embeddings, which are not kept; make the laboratory again "
            "(remove its folder, then `make lab`), or use what is trained already (--cached)"
        )
