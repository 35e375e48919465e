"""Importing the package and printing help load no heavy library, and all public names exist."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import robustger

HEAVY = {
    "accelerate",
    "huggingface_hub",
    "numpy",
    "peft",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
}


def packages_after(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after running `code`."""
    report = "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    program = f"import atexit, json, sys\natexit.register(lambda: {report})\n{code}\n"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import robustger",
        "from robustger import NBest, load_nbest, normalize",
        "import sys; sys.argv = ['robustger', '--help']; from robustger.cli import main; main()",
        "import sys; sys.argv = ['robustger', 'evaluate', '--help']; from robustger.cli import main; main()",
        "import sys; sys.argv = ['robustger', 'models', 'list']; from robustger.cli import main; main()",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert packages_after(code) & HEAVY == set()


@pytest.mark.parametrize("name", robustger.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(robustger, name) is not None
    assert name in dir(robustger)


def test_other_names_are_refused_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Correktor'"):
        robustger.Correktor  # noqa: B018
    assert not hasattr(robustger, "__wrapped__")
