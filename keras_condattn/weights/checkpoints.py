"""Checkpoints as name -> array, from a mapping or from any of five kinds of file."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_condattn._optional import optional
from keras_condattn.weights.torch_archive import read_torch

WRAPPERS = ("state_dict", "model_state_dict", "model")


State: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]


def read_checkpoint(state: State) -> dict[str, Any]:
    """Reads a checkpoint, unwraps it and drops `module.` where all names have it.

    Args:
        state: name -> array, or a path.

    Returns:
        name -> array.

    Raises:
        TypeError: for another kind of `state`, or names that are not texts.
        ValueError: for a file of another kind, or one that cannot be read.
        FileNotFoundError: for a path without a file.
        ImportError: for `.safetensors` without the package of that name.
    """
    found: Any = _read(Path(state)) if isinstance(state, str | os.PathLike) else state
    if not isinstance(found, Mapping):
        raise TypeError(
            f"state must map names to arrays, or be a path, got {type(found).__name__}"
        )
    for key in WRAPPERS:
        if isinstance(found.get(key), Mapping):
            found = found[key]
    if not all(isinstance(name, str) for name in found):
        raise TypeError(f"state must have texts as names, got {list(found)[:3]}")
    return _without_prefix(found, "module.")


def _without_prefix(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Drops a prefix that all names share."""
    if not all(name.startswith(prefix) for name in arrays):
        return dict(arrays)
    return {name.removeprefix(prefix): value for name, value in arrays.items()}


def _read(path: Path) -> Any:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"state must be a {', '.join(READERS)} file, got {path}")
    if not path.is_file():
        raise FileNotFoundError(f"state: there is no file {path}")
    try:
        found = reader(path)
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(f"state: {path} cannot be read ({error})") from error
    if not isinstance(found, Mapping):
        kind = type(found).__name__
        raise ValueError(f"state: {path} holds no names, but a {kind}")
    return found


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    numpy = optional("safetensors.numpy", "safetensors", "reading .safetensors files")
    # NumPy has no bfloat16 of its own: what it cannot call a number is one.
    return {
        name: array.astype("float32") if array.dtype.kind == "V" else array
        for name, array in numpy.load_file(path).items()
    }


def _read_h5(path: Path) -> dict[str, np.ndarray]:
    import h5py

    arrays: dict[str, np.ndarray] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            name = _h5_name(path)
            if name in arrays:
                raise ValueError(f"{name} is in it twice")
            arrays[name] = _h5_array(name, item)

    with h5py.File(path, "r") as file:
        file.visititems(visit)  # follows no link, so stays in this file
        by_layer = "layer_names" in file.attrs
    layers = {name.partition("/")[0] for name in arrays}
    # Keras 1 and 2 put even a lone layer into a group of its own.
    lone = f"{layers.pop()}/" if by_layer and len(layers) == 1 else ""
    return _without_prefix(arrays, lone)


def _h5_name(path: str) -> str:
    """`fc_1/fc_1/kernel:0`, as Keras 1 and 2 wrote it, is `fc_1/kernel`."""
    parts = path.removesuffix(":0").split("/")
    pairs = zip(parts, ["", *parts], strict=False)
    return "/".join(part for part, before in pairs if part != before)


def _h5_array(name: str, item: Any) -> np.ndarray:
    if item.external or item.is_virtual:
        raise ValueError(f"{name} refers to another file")
    # No compression of HDF5 makes 1,100 bytes of one: the rest was never stored.
    if item.nbytes > 1100 * item.id.get_storage_size() + 4096:
        raise ValueError(f"{name} claims {item.nbytes:,} bytes that the file lacks")
    return np.asarray(item[()])


READERS: dict[str, Callable[[Path], Any]] = {
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".pth": read_torch,
    ".pt": read_torch,
}
