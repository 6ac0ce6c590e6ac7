"""What was done to slices in training, read out of a mapping that may say anything."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_condattn._frame import NORMALISATIONS, Frame, Pair

NAMES = ("normalise", "spacing", "size", "recentre", "largest_component")
EXAMPLE = '{"normalise": "zscore", "spacing": (1.5, 1.5), "size": (128, 128)}'


@dataclasses.dataclass(frozen=True)
class Steps:
    """The steps of `predict_volume`.

    Args:
        frame: grey levels, spacing and size.
        recentre: mm, or None to leave the frame where it is.
        largest_component: whether only the largest piece of each class is kept.
    """

    frame: Frame
    recentre: float | None
    largest_component: bool


def steps_of(model: keras.Model, given: Mapping[str, Any] | None) -> Steps:
    """The steps that are given, or else those of the model's registered weights.

    Args:
        model: may have a mapping as `model.preprocessing`.
        given: the argument `preprocessing`.

    Returns:
        The steps.

    Raises:
        ValueError: where nothing says what they are, or something else is said.
    """
    source, said = "preprocessing", given
    if said is None:
        source, said = "model.preprocessing", getattr(model, "preprocessing", None)
        if not said:
            raise ValueError(
                "preprocessing must say how slices were made for this model, e.g. "
                f"{EXAMPLE}: it was not made with registered weights that do"
            )
    if not isinstance(said, Mapping):
        raise ValueError(f"{source} must be a dict such as {EXAMPLE}, got {said!r}")
    try:
        return _read(said)
    except ValueError as error:
        wanted = "" if given is not None else "; pass preprocessing= instead"
        raise ValueError(f"{source} {error}{wanted}") from None


def _read(said: Mapping[str, Any]) -> Steps:
    unknown = sorted(map(str, set(said) - set(NAMES)))
    if unknown:
        raise ValueError(f"may hold {', '.join(NAMES)}, got also {unknown}")
    normalise = said.get("normalise")
    if normalise not in NORMALISATIONS:
        raise ValueError(
            f"must give normalise as one of {NORMALISATIONS}, got {normalise!r}"
        )
    limit, largest = said.get("recentre"), said.get("largest_component", False)
    if limit is not None and not (_is_number(limit) and limit >= 0):
        raise ValueError(f"must give recentre as mm or None, got {limit!r}")
    if not isinstance(largest, bool | np.bool_):
        raise ValueError(f"must give largest_component as a bool, got {largest!r}")
    spacing, size = (_pair(name, said.get(name)) for name in ("spacing", "size"))
    whole = None if size is None else (int(size[0]), int(size[1]))
    if size != whole:
        raise ValueError(f"must give size in whole pixels, got {said['size']!r}")
    return Steps(Frame(normalise, spacing, whole), limit, bool(largest))


def _pair(name: str, value: Any) -> Pair | None:
    """(down, right), from a pair or from one number for both."""
    if value is None:
        return None
    pair = [value, value] if _is_number(value) else value
    listed = list(pair) if isinstance(pair, list | tuple | np.ndarray) else []
    if len(listed) != 2 or not all(_is_number(v) and v > 0 for v in listed):
        raise ValueError(
            f"must give {name} as (down, right) or one number, above 0, got {value!r}"
        )
    return float(listed[0]), float(listed[1])


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]
