"""The names of torchvision, and of the authors of ACM, for classifiers."""

import re
from collections.abc import Callable
from typing import Any

import keras

from keras_condattn.weights._slots import (
    Slots,
    outputs_last,
    torch_layer,
    torch_norm,
)


def classifier(model: Any, slots_of: Callable[[Any], Slots]) -> Slots:
    """torchvision's names; an attention module's own come from `slots_of`."""
    slots: Slots = {}
    for layer in filter(lambda layer: layer.weights, model.layers):
        name = _torch_name(layer.name)
        if isinstance(layer, keras.layers.BatchNormalization):
            slots |= torch_norm(name, layer)
        elif hasattr(layer, "kernel_size") and hasattr(layer, "kernel"):
            slots |= torch_layer(name, layer, outputs_last)
        else:
            slots |= {f"{name}.{part}": s for part, s in slots_of(layer).items()}
    return slots


def _torch_name(name: str) -> str:
    """`layer1_0_conv1` -> `layer1.0.conv1`; DenseNets have `features.` in front."""
    if name == "classifier_conv":
        return name
    dense = re.match("conv0|norm0|norm5|denseblock|transition", name)
    return ("features." if dense else "") + name.replace("_", ".")
