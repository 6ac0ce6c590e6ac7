"""What the loaders refuse before they look at any file."""

import math
from collections.abc import Sequence
from typing import Any

from keras_condattn._frame import NORMALISATIONS
from keras_condattn.datasets.brats._files import MASK, MODALITIES, canonical

RESERVED = {"image", "label", "mask", "positive", "spacing", "affine", "id", "patient",
            "slice"}  # fmt: skip


def check_modalities(modalities: Any, known: Sequence[str] | None) -> None:
    """Raises ValueError for what is no list of modalities, each once."""
    listed = list(modalities) if isinstance(modalities, list | tuple) else []
    texts = all(isinstance(name, str) and name for name in listed)
    kinds = [canonical(name) for name in listed] if texts else []
    wrong = set(kinds) - set(known) if known else {*kinds} & {*RESERVED, MASK}
    if not kinds or wrong or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"modalities must list {f'some of {known}' if known else 'names'}, each "
            f"once, got {modalities!r}"
        )


def check_choices(normalise: Any, on_error: Any, least_brain: Any) -> None:
    """Raises ValueError for the first that is out of its range."""
    one = {
        "normalise": (normalise, NORMALISATIONS),
        "on_error": (on_error, ("raise", "skip")),
    }
    for name, (value, known) in one.items():
        if value not in known:
            raise ValueError(f"{name} must be one of {known}, got {value!r}")
    number = isinstance(least_brain, int | float) and not isinstance(least_brain, bool)
    if not number or not 0 <= least_brain <= 1:
        raise ValueError(f"least_brain must be from 0 to 1, got {least_brain!r}")


def check_whole(name: str, value: Any, low: int = 0) -> None:
    """Raises ValueError for what is no whole number from `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name} must be a whole number from {low}, got {value!r}")


def spacing_of(value: Any) -> tuple[float, float] | None:
    """(down, right) in mm."""
    pair: tuple[float, float] | None
    pair = _pair("spacing", "numbers of mm", value, int | float)
    return pair


def size_of(value: Any) -> tuple[int, int] | None:
    """(height, width) in pixels."""
    pair: tuple[int, int] | None
    pair = _pair("size", "whole numbers of pixels", value, int)
    return pair


def told(problems: dict[str, str]) -> str:
    """A line for each scan that cannot be used."""
    lines = [f"{name}: {problem}" for name, problem in problems.items()]
    noun = "scan" if len(lines) == 1 else "scans"
    return f"{len(lines)} {noun} cannot be used:\n" + "\n".join(lines)


def _pair(name: str, what: str, value: Any, kind: Any) -> Any:
    if value is None:
        return None
    pair = tuple(value) if isinstance(value, list | tuple) else (value, value)
    fits = (
        isinstance(v, kind) and not isinstance(v, bool) and 0 < v < math.inf
        for v in pair
    )  # fmt: skip
    if len(pair) != 2 or not all(fits):
        raise ValueError(
            f"{name} must be {what} above 0, one or two (down, right), or None, got "
            f"{value!r}"
        )
    return pair


def modalities_of_challenge(modalities: Any) -> None:
    """Raises ValueError for what the challenge never had."""
    check_modalities(modalities, MODALITIES)
