"""What steers a slice: when in the cycle, where in the heart, who."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets.acdc._files import GROUPS, PHASES, Scan

FACTS = ("phase", "position", "group", "height", "weight")


def entries(facts: Sequence[str]) -> tuple[str, ...]:
    """The words for each entry of the conditioning vector, in order."""
    names = {"phase": PHASES, "group": GROUPS}
    return tuple(
        f"{fact}={word}" if fact in names else fact
        for fact in facts
        for word in names.get(fact, (fact,))
    )


def conditioning(scan: Scan, facts: Sequence[str], depth: int) -> NDArray[np.float32]:
    """One vector a slice, (depth, Z)."""
    makers: dict[str, Callable[[], NDArray[np.float64]]] = {
        "phase": lambda: np.tile(_one_hot(PHASES, scan.phase), (depth, 1)),
        "position": lambda: np.linspace(0, 1, depth)[:, None],
        "group": lambda: np.tile(_one_hot(GROUPS, scan.group), (depth, 1)),
        "height": lambda: np.full((depth, 1), scan.height / 100),
        "weight": lambda: np.full((depth, 1), scan.weight / 100),
    }
    return np.concatenate([makers[fact]() for fact in facts], 1).astype("float32")


def check_known(scan: Scan, facts: Sequence[str]) -> None:
    """Raises ValueError where a scan lacks a fact that is asked for."""
    if "group" in facts and not scan.group:
        raise ValueError("Info.cfg has no Group, which conditioning asks for")
    for fact in ("height", "weight"):
        if fact in facts and math.isnan(getattr(scan, fact)):
            raise ValueError(
                f"has no {fact.title()} in an Info.cfg, which conditioning asks for"
            )


def _one_hot(words: Sequence[str], word: str) -> NDArray[np.float64]:
    return np.array([float(word == other) for other in words])
