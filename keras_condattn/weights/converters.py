"""Which variable each of the authors' parameters belongs in, class by class."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_condattn.weights._cam_network import cam_network
from keras_condattn.weights._classifier import classifier
from keras_condattn.weights._scribble_unet import scribble_unet
from keras_condattn.weights._slots import Converter as Converter
from keras_condattn.weights._slots import Slot as Slot
from keras_condattn.weights._slots import Slots as Slots
from keras_condattn.weights._slots import Unused, reshaped


def by_sublayer(layer: Any) -> Slots:
    """`<sublayer>/<variable>`, as Keras names them; the layout is Keras's too."""
    return {"/".join(v.path.split("/")[-2:]): Slot(v) for v in layer.weights}


def _groups_first(*official: int) -> Callable[[Any], np.ndarray]:
    """(G O, I, 1, 1), a grouped convolution's kernel in PyTorch, -> (G, I, O)."""

    def transform(array: Any) -> np.ndarray:
        values: np.ndarray = np.asarray(array)
        groups, outputs, inputs = official
        if values.shape != (groups * outputs, inputs, 1, 1):
            return values  # of the wrong shape still, for the error to name
        return values.reshape(groups, outputs, inputs).swapaxes(1, 2)

    return transform


def acm(layer: Any) -> Slots:
    """The names of the released ACM: K is `add_mod`, Q `sub_mod` and P `mul_mod`."""
    groups, slots = layer.groups, {}
    for name, part in (("add_mod", "key"), ("sub_mod", "query")):
        variable = getattr(layer, part, None)
        if variable is None:
            continue  # a formula without it
        shape = tuple(variable.shape)
        kernel = Slot(variable, reshaped((*shape, 1, 1), shape))
        slots[f"{name}.map_gen.0.weight"] = kernel
        # Softmax does not see it.
        slots[f"{name}.map_gen.0.bias"] = Slot(Unused(groups))
    modulates = hasattr(layer, "squeeze_kernel")
    for i, part in ((0, "squeeze"), (2, "expand")) if modulates else ():
        kernel, bias = (getattr(layer, f"{part}_{v}") for v in ("kernel", "bias"))
        _, inputs, outputs = kernel.shape
        prefix = f"mul_mod.feature_gen.{i}"
        transform = _groups_first(groups, outputs, inputs)
        slots[f"{prefix}.weight"] = Slot(kernel, transform)
        flat = reshaped((groups * outputs,), (groups, outputs))
        slots[f"{prefix}.bias"] = Slot(bias, flat)
    return slots


# By the name a class is registered under, so that this room need not know layers.
CONVERTERS: dict[str, Converter] = {
    "keras_condattn>ACM": acm,
    "keras_condattn>ClassMapClassifier": lambda model: classifier(model, slots_of),
    "keras_condattn>CAMNetwork": cam_network,
    "keras_condattn>FiLM": by_sublayer,
    "keras_condattn>GuidingBlock": by_sublayer,
    "keras_condattn>INSIDE": by_sublayer,
    "keras_condattn>ScribbleModel": scribble_unet,
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
