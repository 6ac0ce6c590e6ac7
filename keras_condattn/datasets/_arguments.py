"""What `load` checks in its arguments, and how it tells what cannot be used."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from keras_condattn.datasets._augment import Augmentation

Kept = TypeVar("Kept")


def check_one(known: Sequence[Any], **values: Any) -> None:
    """Raises ValueError for a value that is none of those known."""
    for name, value in values.items():
        if value not in known:
            raise ValueError(f"{name} must be one of {tuple(known)}, got {value!r}")


def check_some(known: Sequence[Any], **values: Any) -> None:
    """Raises ValueError where a list is empty, says one thing twice or another."""
    for name, value in values.items():
        listed = list(value) if isinstance(value, list | tuple) else []
        if not listed or set(listed) - set(known) or len(set(listed)) < len(listed):
            raise ValueError(f"{name} must list some of {tuple(known)}, got {value!r}")


def check_whole(low: int, high: float = math.inf, **values: Any) -> None:
    """Raises ValueError for what is no whole number from `low` to `high`."""
    for name, value in values.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            limits = (
                f"from {low} to {high}" if high < math.inf else f"of at least {low}"
            )
            raise ValueError(f"{name} must be a whole number {limits}, got {value!r}")


def pair(name: str, value: Any) -> tuple[float, float] | None:
    """(down, right) from two numbers above 0 or one for both; None stays None."""
    if value is None:
        return None
    found = tuple(value) if isinstance(value, list | tuple) else (value, value)
    numbers = all(
        isinstance(v, int | float) and not isinstance(v, bool) and 0 < v < math.inf
        for v in found
    )
    if len(found) != 2 or not numbers:
        raise ValueError(
            f"{name} must be a number above 0, two of them (down, right), or None, got "
            f"{value!r}"
        )
    return found


def pixels(name: str, value: Any) -> tuple[int, int] | None:
    """(height, width) in whole pixels, as `pair`."""
    found = pair(name, value)
    if found is None or all(isinstance(v, int) for v in found):
        return found  # type: ignore[return-value]
    raise ValueError(f"{name} must be whole numbers of pixels, got {value!r}")


def check_numbers(length: int, kind: Any, **values: Any) -> None:
    """Raises ValueError for what is no list of `length` numbers above 0."""
    what = "whole numbers" if kind is int else "numbers"
    for name, value in values.items():
        listed = value if isinstance(value, list | tuple) else ()
        fits = all(
            isinstance(v, kind) and not isinstance(v, bool) and 0 < v < math.inf
            for v in listed
        )
        if len(listed) != length or not fits:
            raise ValueError(f"{name} must be {length} {what} above 0, got {value!r}")


def told(problems: Mapping[str, str], noun: str = "patient") -> str:
    """A line for each patient, or scan, whose files cannot be used."""
    lines = [f"{name}: {problem}" for name, problem in problems.items()]
    return listed(lines, noun, f"{noun}s")


def listed(lines: Sequence[str], one: str, many: str, shown: int | None = None) -> str:
    """How many cannot be used, and all of them, or the first, a line each."""
    shown = len(lines) if shown is None else shown
    rest = [f"... and {len(lines) - shown} more"] if len(lines) > shown else []
    heading = f"{len(lines)} {one if len(lines) == 1 else many} cannot be used:"
    return "\n".join([heading, *lines[:shown], *rest])


def usable(
    chosen: Sequence[Kept],
    name_of: Callable[[Kept], str],
    problems: Mapping[str, str],
    message: str,
    on_error: str,
    asked: str,
) -> list[Kept]:
    """What of a split has no problem; called by `load`, so warnings name its caller.

    Raises:
        ValueError: with the message for any problem, unless `on_error` is "skip" and
            something is left; where nothing was there, naming what was asked for.
    """
    kept = [one for one in chosen if name_of(one) not in problems]
    if problems and (on_error == "raise" or not kept):
        raise ValueError(message)
    if problems:
        warnings.warn(f"left out: {message}", stacklevel=3)
    if not kept:
        raise ValueError(f"{asked}: no image is left in it")
    return kept


def check_augment(augment: Any, volumes: bool) -> None:
    """Raises ValueError for what is no augmentation, or one of whole volumes."""
    if not isinstance(augment, bool | Augmentation):
        raise ValueError(f"augment must be a bool or an Augmentation, got {augment!r}")
    if augment and volumes:
        raise ValueError("augment varies slices: load them with volumes=False")
