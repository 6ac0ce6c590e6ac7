"""What the loaders refuse before they look at any file."""

from collections.abc import Sequence
from typing import Any

from keras_condattn._frame import NORMALISATIONS
from keras_condattn.datasets._arguments import check_one
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
    check_one(NORMALISATIONS, normalise=normalise)
    check_one(("raise", "skip"), on_error=on_error)
    number = isinstance(least_brain, int | float) and not isinstance(least_brain, bool)
    if not number or not 0 <= least_brain <= 1:
        raise ValueError(f"least_brain must be from 0 to 1, got {least_brain!r}")


def modalities_of_challenge(modalities: Any) -> None:
    """Raises ValueError for what the challenge never had."""
    check_modalities(modalities, MODALITIES)
