"""What was done to slices in training, read out of a mapping that may say anything."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import keras
import numpy as np

from keras_condattn._frame import NORMALISATIONS, Frame, Pair

NAMES = ("normalise", "spacing", "size", "recentre", "largest_component")
EXAMPLE = '{"normalise": "zscore", "spacing": (1.5, 1.5), "size": (128, 128)}'
Read = TypeVar("Read")


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
    """The steps that are given, or else those of the model's registered weights."""
    return read_steps(model, given, _read, EXAMPLE)


def read_steps(
    model: keras.Model,
    given: Mapping[str, Any] | None,
    read: Callable[[Mapping[str, Any]], Read],
    example: str,
) -> Read:
    """What the steps that are given say, or else those of the registered weights.

    Args:
        model: may have a mapping as `model.preprocessing`.
        given: the argument `preprocessing`.
        read: makes the steps of a mapping; its ValueErrors begin with a verb.
        example: of such a mapping, for messages.

    Returns:
        What `read` returns.

    Raises:
        ValueError: where nothing says what they are, or something else is said.
    """
    source, said = "preprocessing", given
    if said is None:
        source, said = "model.preprocessing", getattr(model, "preprocessing", None)
        if not said:
            raise ValueError(
                "preprocessing must say how slices were made for this model, e.g. "
                f"{example}: it was not made with registered weights that do"
            )
    if not isinstance(said, Mapping):
        raise ValueError(f"{source} must be a dict such as {example}, got {said!r}")
    try:
        return read(said)
    except ValueError as error:
        wanted = "" if given is not None else "; pass preprocessing= instead"
        raise ValueError(f"{source} {error}{wanted}") from None


def _read(said: Mapping[str, Any]) -> Steps:
    frame = frame_of(said, NAMES)
    limit, largest = said.get("recentre"), largest_of(said)
    if limit is not None and not (is_number(limit) and limit >= 0):
        raise ValueError(f"must give recentre as mm or None, got {limit!r}")
    return Steps(frame, limit, largest)


def frame_of(said: Mapping[str, Any], names: tuple[str, ...]) -> Frame:
    """The frame of steps that hold nothing but these names."""
    unknown = sorted(map(str, set(said) - set(names)))
    if unknown:
        raise ValueError(f"may hold {', '.join(names)}, got also {unknown}")
    normalise = said.get("normalise")
    if normalise not in NORMALISATIONS:
        raise ValueError(
            f"must give normalise as one of {NORMALISATIONS}, got {normalise!r}"
        )
    spacing, size = (_pair(name, said.get(name)) for name in ("spacing", "size"))
    whole = None if size is None else (int(size[0]), int(size[1]))
    if size != whole:
        raise ValueError(f"must give size in whole pixels, got {said['size']!r}")
    return Frame(normalise, spacing, whole)


def largest_of(said: Mapping[str, Any]) -> bool:
    """Whether only the largest piece of each class is kept."""
    largest = said.get("largest_component", False)
    if not isinstance(largest, bool | np.bool_):
        raise ValueError(f"must give largest_component as a bool, got {largest!r}")
    return bool(largest)


def _pair(name: str, value: Any) -> Pair | None:
    """(down, right), from a pair or from one number for both."""
    if value is None:
        return None
    pair = [value, value] if is_number(value) else value
    listed = list(pair) if isinstance(pair, list | tuple | np.ndarray) else []
    if len(listed) != 2 or not all(is_number(v) and v > 0 for v in listed):
        raise ValueError(
            f"must give {name} as (down, right) or one number, above 0, got {value!r}"
        )
    return float(listed[0]), float(listed[1])


def is_number(value: object) -> bool:
    """Whether it is a finite number, of Python or NumPy, and no bool."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """Without Keras's tracking and without tuples, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
