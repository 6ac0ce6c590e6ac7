"""Images as the arrays that a model takes."""

from typing import Any

import keras
import numpy as np


def arrays_like(images: Any, wanted: Any) -> Any:
    """The images as arrays in the model's structure."""
    bare = isinstance(wanted, list | tuple) and len(wanted) == 1
    if bare and not isinstance(images, list | tuple):
        images = type(wanted)([images])
    if isinstance(wanted, dict) and isinstance(images, dict):
        images = {name: images[name] for name in wanted if name in images}
    try:
        keras.tree.assert_same_structure(images, wanted)
        arrays = keras.tree.map_structure(
            lambda x, like: np.asarray(x, keras.backend.standardize_dtype(like.dtype)),
            images, wanted,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        names = keras.tree.map_structure(lambda x: tuple(x.shape), wanted)
        raise ValueError(f"images must be arrays {names}, got {error}") from error
    for array, like in zip(
        keras.tree.flatten(arrays), keras.tree.flatten(wanted), strict=True
    ):
        _check_shape(array.shape, tuple(like.shape))
    if len({len(array) for array in keras.tree.flatten(arrays)}) != 1:
        raise ValueError("images must hold as many samples for each input")
    return arrays


def _check_shape(got: tuple[int, ...], wanted: tuple[int | None, ...]) -> None:
    fits = len(got) == len(wanted) and all(
        n in (None, m) for n, m in zip(wanted[1:], got[1:], strict=True)
    )
    if not fits or not got[0]:
        raise ValueError(
            f"images must have shape {wanted} with at least one sample, got {got}"
        )
