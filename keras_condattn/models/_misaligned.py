"""Modalities shifted apart, as the released code does by mistake."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras import ops

from keras_condattn.layers import RandomView
from keras_condattn.layers._views import drawn

# The release shifts each modality on its own by up to this fraction.
MISALIGNMENT = 0.1
# Flips bits of the view's seed: draws of their own from the view's counter.
APART = 0x2545F491


def misaligned(x: Any, modalities: Sequence[str], view: RandomView) -> Any:
    """Images as the model takes them, a dict or stacked, each shifted on its own."""
    axis = 1 if view.data_format == "channels_first" else -1
    stacked, count = not isinstance(x, Mapping), len(modalities)
    parts = ops.split(x, count, axis=axis) if stacked else [
        x[name] for name in modalities
    ]  # fmt: skip
    batch = ops.shape(parts[0])[0]
    # No counter of its own: the weights are those of a model without the fault.
    poses = drawn(
        ("shift",), MISALIGNMENT, 0.0, view.seed ^ APART, view.draws, batch * count
    )
    moved = [
        view.apply(part, poses[i * batch : (i + 1) * batch])[0]
        for i, part in enumerate(parts)
    ]
    if stacked:
        return ops.concatenate(moved, axis=axis)
    return dict(zip(modalities, moved, strict=True))
