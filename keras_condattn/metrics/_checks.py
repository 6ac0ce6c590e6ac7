"""What the metrics refuse, and how they say so."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from keras_condattn._types import Tensor

StaticShape = tuple[int | None, ...]


def check_dice_arguments(arguments: Mapping[str, Any]) -> None:
    """Raises for the first argument of a Dice score that is out of its range.

    Args:
        arguments: the values by name.

    Raises:
        ValueError: naming the argument, what came and what would be right.
    """
    classes, threshold, empty = (
        arguments[n] for n in ("classes", "threshold", "empty")
    )
    requirements = {
        "classes": (classes >= 1, "at least 1"),
        "threshold": (
            threshold is None or 0 < threshold < 1,
            "between 0 and 1, both excluded, or None for soft Dice",
        ),
        "average": (arguments["average"] in ("image", "pooled"), "'image' or 'pooled'"),
        "empty": (
            empty == "skip" or (not isinstance(empty, str) and 0 <= empty <= 1),
            "'skip' or a number in [0, 1]",
        ),
        "include_background": (
            not arguments["include_background"] or classes > 1,
            "False with classes=1, which has no background channel",
        ),
        "data_format": (
            arguments["data_format"] in ("channels_last", "channels_first"),
            "'channels_last' or 'channels_first'",
        ),
    }
    for name, (holds, wanted) in requirements.items():
        if not holds:
            raise ValueError(f"{name} must be {wanted}, got {arguments[name]!r}")


def check_segmentation(
    true: StaticShape, pred: StaticShape, classes: int, data_format: str
) -> None:
    """Whether class numbers and class scores lie on the same pixels.

    Args:
        true: shape of the class numbers, (B, *S), maybe with a channel axis of 1.
        pred: shape of the scores, (B, *S, classes) or (B, classes, *S).
        classes: channels that the scores must have.
        data_format: says which of the two it is.

    Raises:
        ValueError: naming the shapes.
    """
    axis = 1 if data_format == "channels_first" else len(pred) - 1
    layout = "(B, classes, *S)" if axis == 1 else "(B, *S, classes)"
    if len(pred) < 3 or pred[axis] != classes:
        raise ValueError(
            f"y_pred must have shape {layout} with classes={classes} ({data_format}), "
            f"got shape {pred}"
        )
    expected = pred[:axis] + pred[axis + 1 :]
    got = true
    if len(true) == len(pred) and true[axis] in (1, None):
        got = true[:axis] + true[axis + 1 :]
    if len(got) != len(expected) or any(
        None not in pair and pair[0] != pair[1]
        for pair in zip(got, expected, strict=True)
    ):
        raise ValueError(
            f"y_true must hold one class number a pixel, shape {expected} or with a "
            f"channel axis of size 1, to fit y_pred of shape {pred}, got shape {true}"
        )


def image_weight(sample_weight: Tensor) -> Tensor:
    """(B,), or with axes of size 1, as a float32 column."""
    weight = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
    if any(n not in (1, None) for n in tuple(weight.shape)[1:]):
        raise ValueError(
            "sample_weight must hold one weight an image, shape (B,), got shape "
            f"{tuple(weight.shape)}"
        )
    return ops.reshape(weight, (-1, 1))


def check_labels(
    name: str, labels: np.ndarray, classes: int, ignore_class: int | None = None
) -> None:
    """Whether an array holds nothing but class numbers and `ignore_class`."""
    allowed = [*range(classes), *([] if ignore_class is None else [ignore_class])]
    wrong = np.setdiff1d(labels, allowed)
    if wrong.size:
        besides = "" if ignore_class is None else f" or ignore_class={ignore_class}"
        raise ValueError(
            f"{name} must hold the classes 0 to {classes - 1}{besides}, got "
            f"{wrong[:5].tolist()}"
        )
