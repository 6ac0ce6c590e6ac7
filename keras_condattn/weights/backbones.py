"""ImageNet parameters of torchvision and Keras Applications, as one kind of names."""

import re
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_condattn.weights._slots import Slot, Slots, outputs_last
from keras_condattn.weights.checkpoints import read_checkpoint

Arrays: TypeAlias = dict[str, np.ndarray]

NORMALIZATION = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
# Keras 3 stores a layer's variables by number.
STORED = {"conv": ("kernel", "bias"), "bn": tuple(NORMALIZATION.values())}
# Keras Applications normalises with another epsilon, which the variance can make up.
EXTRA_EPSILON = 1.001e-5 - 1e-5


def read_backbone(path: Path) -> Arrays:
    """Reads the parameters of a ResNet, ResNeXt or DenseNet without its head.

    Args:
        path: torchvision's `.pth` or `.safetensors`, or an `.h5`, `.weights.h5` or
            `.keras` file of Keras Applications.

    Returns:
        `<our layer>/<variable>` -> array in the layout of Keras.

    Raises:
        ValueError: for a file that cannot be read.
    """
    arrays = read_stored(path) if is_keras_3(path) else read_checkpoint(path)
    if is_keras_applications(arrays):
        return _from_keras(arrays)
    return _from_torch(arrays)


def is_keras_3(path: Path) -> bool:
    """True for the kinds of file that Keras 3 writes, and we publish."""
    return path.name.endswith((".weights.h5", ".keras"))


def is_keras_applications(arrays: Mapping[str, Any]) -> bool:
    """True for names that Keras Applications gives."""
    return any(name.split("/")[-2:-1] == ["conv1_conv"] for name in arrays)


def backbone_slots(model: Any) -> Slots:
    """`<layer>/<variable>` of all but the attention and the head."""
    return {
        f"{layer.name}/{variable.name}": Slot(variable)
        for layer in model.layers
        if layer.name != "classifier_conv" and not layer.name.endswith("_module")
        for variable in layer.weights
    }


def with_channels(arrays: Arrays, slots: Slots) -> Arrays:
    """The first kernel for another number of channels than red, green and blue.

    Each of the n channels gets the sum over the three, divided by n: an image whose
    channels are equal then gives what a grey picture gives.
    """
    name = "conv1/kernel" if "conv1/kernel" in slots else "conv0/kernel"
    kernel, wanted = arrays.get(name), tuple(slots[name].variable.shape)
    if kernel is None or kernel.ndim != len(wanted) or kernel.shape[-2] != 3:
        return arrays
    channels = wanted[-2]
    if channels == 3:
        return arrays
    total = kernel.sum(axis=-2, keepdims=True) / channels
    return arrays | {name: np.repeat(total, channels, axis=-2)}


def read_stored(path: Path) -> Arrays:
    """`<layer>/<variable>` -> array of a file that Keras 3 wrote; {} without names."""
    import h5py

    found: Arrays = {}

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
            return
        layer = str(item.parent.attrs.get("name", ""))
        kind = STORED.get(layer.rpartition("_")[2] or layer)
        number = name.rpartition("/")[2]
        if kind and number.isdigit() and int(number) < len(kind):
            found[f"{layer}/{kind[int(number)]}"] = np.asarray(item[()])

    with ExitStack() as stack:
        file: Any = path
        if path.suffix == ".keras":
            archive = stack.enter_context(zipfile.ZipFile(path))
            file = stack.enter_context(archive.open("model.weights.h5"))
        stack.enter_context(h5py.File(file, "r")).visititems(visit)
    return found


def _from_torch(arrays: Mapping[str, Any]) -> Arrays:
    made: Arrays = {}
    for name, value in arrays.items():
        layer, _, part = name.removeprefix("features.").rpartition(".")
        if part == "num_batches_tracked" or layer in ("fc", "classifier"):
            continue
        # Files of the first DenseNets say norm.1 where later ones say norm1.
        layer = re.sub(r"\.(norm|conv)\.(\d)$", r".\1\2", layer).replace(".", "_")
        array = outputs_last(value)
        kernel = array.ndim > 2 and part == "weight"
        variable = "kernel" if kernel else NORMALIZATION.get(part, part)
        made[f"{layer}/{variable}"] = array
    return made


def _from_keras(arrays: Mapping[str, Any]) -> Arrays:
    named: Arrays = {}
    for name, value in arrays.items():
        layer, variable = name.removesuffix(":0").split("/")[-2:]
        if not name.startswith("optimizer") and layer != "predictions":
            named[f"{layer}/{variable}"] = np.asarray(value)
    dense, made = "bn/gamma" in named, {}
    for name, value in named.items():
        layer, _, variable = name.partition("/")
        if variable == "bias":
            continue
        if variable == "moving_mean":
            # A bias before a normalisation only shifts its mean.
            value = value - named.get(f"{layer[:-2]}conv/bias", np.float32(0))
        if variable == "moving_variance":
            value = value + np.asarray(EXTRA_EPSILON, value.dtype)
        made[f"{(_densenet_name if dense else _resnet_name)(layer)}/{variable}"] = value
    return made


def _resnet_name(layer: str) -> str:
    """`conv2_block1_3_bn` -> `layer1_0_bn3`; `_0_` is the shortcut."""
    match = re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", layer)
    if not match:
        return {"conv1_conv": "conv1", "conv1_bn": "bn1"}.get(layer, layer)
    stage, block, index, kind = match.groups()
    place = f"layer{int(stage) - 1}_{int(block) - 1}"
    if index == "0":
        return f"{place}_downsample_{int(kind == 'bn')}"
    return f"{place}_{kind}{index}"


def _densenet_name(layer: str) -> str:
    """`conv2_block1_1_conv` -> `denseblock1_denselayer1_conv1`."""
    known = {"conv1_conv": "conv0", "conv1_bn": "norm0", "bn": "norm5"}
    pool = re.fullmatch(r"pool(\d)_(conv|bn)", layer)
    if pool:
        kind = pool[2].replace("bn", "norm")
        return f"transition{int(pool[1]) - 1}_{kind}"
    match = re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", layer)
    if not match:
        return known.get(layer, layer)
    stage, number, index, kind = match.groups()
    # Each normalisation stands before its convolution, and is counted from 0.
    part = f"norm{int(index) + 1}" if kind == "bn" else f"conv{index}"
    return f"denseblock{int(stage) - 1}_denselayer{number}_{part}"
