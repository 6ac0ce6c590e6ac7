"""Which variable each of the authors' parameters belongs in, class by class."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np


class Slot(NamedTuple):
    """A variable, and what turns the released array into its layout."""

    variable: Any
    transform: Callable[[Any], np.ndarray] = np.asarray


Slots: TypeAlias = dict[str, Slot]
Converter: TypeAlias = Callable[[Any], Slots]


def by_sublayer(layer: Any) -> Slots:
    """`<sublayer>/<variable>`, as Keras names them; the layout is Keras's too."""
    return {"/".join(v.path.split("/")[-2:]): Slot(v) for v in layer.weights}


# By the name a class is registered under, so that this room need not know layers.
CONVERTERS: dict[str, Converter] = {
    "keras_condattn>FiLM": by_sublayer,
    "keras_condattn>GuidingBlock": by_sublayer,
    "keras_condattn>INSIDE": by_sublayer,
}


def slots_of(layer_or_model: Any) -> Slots:
    """The official names of a built layer or model, with where their values go.

    Args:
        layer_or_model: an instance of a class with a converter, or of a subclass.

    Returns:
        official name -> `Slot`.

    Raises:
        TypeError: for a class without a converter.
        ValueError: for a layer that has no variables yet.
    """
    for cls in type(layer_or_model).__mro__:
        converter = CONVERTERS.get(keras.saving.get_registered_name(cls))
        if converter is not None:
            _check_built(layer_or_model)
            return converter(layer_or_model)
    known = ", ".join(name.partition(">")[2] for name in sorted(CONVERTERS))
    raise TypeError(
        "layer_or_model must be one whose released parameters are known "
        f"({known}), got {type(layer_or_model).__name__}"
    )


def _check_built(layer: Any) -> None:
    if not layer.built:
        raise ValueError(
            f"layer_or_model: {type(layer).__name__} {layer.name!r} has no variables "
            "yet: call it on its inputs, or build it, before loading into it"
        )
