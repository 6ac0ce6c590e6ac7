"""Whole released networks without their files: values that follow from the names."""

import zlib

import numpy as np


def fill(name, shape):
    """The array that stands for a released parameter of this name and shape."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    leaf, value = name.rpartition(".")[2], rng.standard_normal(shape).astype("float32")
    if leaf == "num_batches_tracked":
        return np.zeros(shape, "int64")
    if leaf == "running_var":
        return 0.5 + np.abs(value)
    if leaf == "running_mean":
        return 0.1 * value
    if leaf == "weight" and len(shape) == 1:
        return (1 + 0.1 * value).astype("float32")
    scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return (scale * value).astype("float32")


def normalisation(name, channels):
    """Names and shapes of a batch normalisation in PyTorch."""
    parts = ("weight", "bias", "running_mean", "running_var")
    return {
        **{f"{name}.{part}": (channels,) for part in parts},
        f"{name}.num_batches_tracked": (),
    }


def resnet_shapes(inputs, classes, planes, inner, groups=1, acm_groups=0):
    """Names and shapes of a torchvision ResNet with one block a stage."""
    shapes = {"conv1.weight": (planes[0], inputs, 7, 7)}
    shapes |= normalisation("bn1", planes[0])
    before = planes[0]
    for i, (p, w) in enumerate(zip(planes, inner, strict=True), start=1):
        block, out = f"layer{i}.0", 4 * p
        for j, (o, n, k) in enumerate(
            [(w, before, 1), (w, w // groups, 3), (out, w, 1)], start=1
        ):
            shapes[f"{block}.conv{j}.weight"] = (o, n, k, k)
            shapes |= normalisation(f"{block}.bn{j}", o)
        shapes[f"{block}.downsample.0.weight"] = (out, before, 1, 1)
        shapes |= normalisation(f"{block}.downsample.1", out)
        if acm_groups:
            shapes |= acm_shapes(f"{block}.module", out, acm_groups)
        before = out
    return shapes | {
        "classifier_conv.weight": (classes, before, 1, 1),
        "classifier_conv.bias": (classes,),
    }


def acm_shapes(name, channels, groups):
    """Names and shapes of the released ACM."""
    half, width = channels // 2, channels // groups
    return {
        **{
            f"{name}.{part}.map_gen.0.{leaf}": shape
            for part in ("add_mod", "sub_mod")
            for leaf, shape in (("weight", (groups, width, 1, 1)), ("bias", (groups,)))
        },
        f"{name}.mul_mod.feature_gen.0.weight": (half, width, 1, 1),
        f"{name}.mul_mod.feature_gen.0.bias": (half,),
        f"{name}.mul_mod.feature_gen.2.weight": (channels, half // groups, 1, 1),
        f"{name}.mul_mod.feature_gen.2.bias": (channels,),
    }
