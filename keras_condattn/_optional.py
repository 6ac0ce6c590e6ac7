"""Libraries that only some rooms need, imported where they are used."""

import importlib
from typing import Any


def optional(module: str, extra: str, purpose: str) -> Any:
    """A module of an optional library, or an error that says how to get it.

    Args:
        module: its name, `"scipy.ndimage"`.
        extra: the extra of this package that brings it, `"medical"`.
        purpose: what it is needed for, the subject of the error's sentence.

    Raises:
        ImportError: where it is not installed.
    """
    library = module.split(".", maxsplit=1)[0]
    try:
        importlib.import_module(library)
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {LIBRARIES.get(library, library)}: "
            f"pip install 'keras-condattn[{extra}]'"
        ) from error


# Where a library is not called what is imported.
LIBRARIES = {"PIL": "Pillow", "skimage": "scikit-image"}


def ndimage() -> Any:
    """scipy.ndimage."""
    return optional("scipy.ndimage", "medical", "work on pixel grids")
