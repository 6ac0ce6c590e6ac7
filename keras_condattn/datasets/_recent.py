"""What a source keeps of the files it has read."""

from collections.abc import Callable
from typing import TypeVar

Kept = TypeVar("Kept")
# Volumes kept while their slices are read one after another.
RECENT = 2


def recalled(
    kept: dict[int, Kept], number: int, read: Callable[[], Kept], keep_all: bool
) -> Kept:
    """`kept[number]`, read where it is not there; old ones go unless all stay."""
    if number in kept:
        return kept[number]
    found = read()
    if not keep_all:
        for old in list(kept)[: len(kept) - RECENT + 1]:
            kept.pop(old, None)  # another thread may have been faster
    kept[number] = found
    return found
