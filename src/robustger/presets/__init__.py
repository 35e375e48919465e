"""Presets: trained correctors and the settings of their recognizers, each a folder with a name.

This package holds the presets that come with robustger, and the N-best lists of `robustger demo`. Any other package
can bring presets, too: it registers each in the entry point group `robustger.presets`, by the preset's name, with the
import name of the package that holds the preset's files::

    [project.entry-points."robustger.presets"]
    german = "robustger_preset_german"

Such a package is found by its metadata and never imported. `docs/how-to/release.md` has a complete example.
"""

from __future__ import annotations

import os
from importlib import metadata, util
from pathlib import Path

from robustger.errors import InputError

GROUP = "robustger.presets"
_OWN = Path(__file__).parent


def preset_names(file: str) -> list[str]:
    """The names of all installed presets that hold a file, in alphabetical order.

    Args:
        file: `config.yaml` for a corrector, `recognizer.yaml` for the settings of a recognizer.
    """
    return sorted(
        name for name, folders in _folders().items() if any((folder / file).is_file() for folder in folders)
    )


def preset_path(name: str | os.PathLike[str], file: str) -> Path:
    """The folder that a user named: a folder with the file, or else the installed preset of that name.

    Args:
        name: a path, or the name of a preset.
        file: what the folder must hold, as for `preset_names`.

    Returns:
        the folder; `name` as a path if there is neither, so that the caller can say what is missing.

    Raises:
        InputError: two packages have a preset of this name.
    """
    path = Path(name)
    if (path / file).is_file():
        return path
    found = [folder for folder in _folders().get(str(name), []) if (folder / file).is_file()]
    if len(found) > 1:
        places = " and ".join(map(str, found))
        raise InputError(f"{name}: two packages have a preset of this name: {places}; uninstall one of them")
    return found[0] if found else path


def _folders() -> dict[str, list[Path]]:
    """The folders of the presets by name: of robustger, and of the packages that register some."""
    folders = {path.name: [path] for path in _OWN.iterdir() if path.is_dir()}
    for point in metadata.entry_points(group=GROUP):
        try:
            package = util.find_spec(point.value)
        except (ImportError, ValueError):  # the package that holds it, or a package above it, is gone
            continue
        places = (package and package.submodule_search_locations) or []
        folder = next((Path(place).resolve() for place in places), None)
        if folder is not None and folder not in folders.setdefault(point.name, []):
            folders[point.name].append(folder)
    return folders
