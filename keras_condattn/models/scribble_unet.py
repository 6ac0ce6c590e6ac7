"""The U-Net of the scribble literature, with attention in its encoder or without."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_condattn._types import DataFormat, Shape, Tensor
from keras_condattn.layers import AttentiveSimilarity
from keras_condattn.layers._checks import check_data_format
from keras_condattn.layers.attentive_similarity import SimilarityOf
from keras_condattn.models.aligned_upsampling import AlignedUpsampling
from keras_condattn.models.blocks import Blocks
from keras_condattn.models.divisible import DivisibleSize, check_divisible
from keras_condattn.models.scribble_model import ScribbleModel
from keras_condattn.models.unet import level_names

# Attention works on a quarter of the resolution, whatever the depth.
ATTENTION_AT = 2


def scribble_unet(
    input_shape: Shape,
    classes: int,
    *,
    filters: Sequence[int],
    dropout: Sequence[float],
    attention: bool,
    similarity: SimilarityOf,
    similarity_radius: int,
    data_format: DataFormat | None,
    name: str,
) -> ScribbleModel:
    """Levels named as in `unet`, in the released geometry.

    Args:
        input_shape: (H, W, C), or (C, H, W) in channels_first.
        classes: channels of the mask.
        filters: channels of every level, bottleneck included.
        dropout: rate within each level's block on the way down.
        attention: put `AttentiveSimilarity` at a quarter of the resolution.
        similarity: what it makes of its attention.
        similarity_radius: of its windows.
        data_format: `"channels_last"`, `"channels_first"` or None for Keras's own.
        name: of the model.

    Returns:
        A model of the image that gives `{"mask": logits}` and, with attention,
        `"similarity"` beside it.

    Raises:
        ValueError: for an argument out of its range or a size that does not divide.
    """
    layout = check_data_format(data_format)
    _check(classes, filters, dropout)
    _check_shape(input_shape, layout, len(filters) - 1)
    blocks = Blocks(2, layout)
    levels = level_names(len(filters) - 1)
    image = keras.Input(tuple(input_shape), name="image")
    x, outputs, skips = image, {}, []
    if None in tuple(input_shape):
        x = DivisibleSize(2 ** (len(filters) - 1), data_format, name="size")(x)
    for i, (width, rate) in enumerate(zip(filters, dropout, strict=True)):
        if i:
            x = blocks.down(x, f"{levels[i - 1]}_down")
        x = _block(blocks, x, width, rate, levels[i])
        if attention and i == ATTENTION_AT:
            attend = AttentiveSimilarity(
                similarity_radius, similarity=similarity, data_format=data_format,
                name="similarity",
            )  # fmt: skip
            x, outputs["similarity"] = attend(x)
        skips.append(x)
    for i in reversed(range(len(filters) - 1)):
        level = levels[-1 - i]
        x = blocks.conv(x, filters[i], 1, name=f"{level}_reduce")
        x = AlignedUpsampling(data_format, name=f"{level}_up")(x)
        join = keras.layers.Concatenate(blocks.channel_axis, name=f"{level}_skip")
        x = _block(blocks, join([skips[i], x]), filters[i], 0.0, level)
    x = blocks.conv(x, classes, 3, name="logits")
    mask = keras.layers.Activation("linear", dtype="float32", name="mask")(x)
    return ScribbleModel(image, {"mask": mask, **outputs}, name=name)


def _block(blocks: Blocks, x: Tensor, width: int, rate: float, level: str) -> Tensor:
    """Convolution, normalisation and leaky ReLU, dropout, and the three again."""
    for i in (1, 2):
        x = blocks.conv(x, width, 3, name=f"{level}_conv_{i}")
        x = keras.layers.BatchNormalization(
            axis=blocks.channel_axis, momentum=0.9, epsilon=1e-5,
            name=f"{level}_norm_{i}",
        )(x)  # fmt: skip
        x = keras.layers.LeakyReLU(0.01, name=f"{level}_act_{i}")(x)
        if i == 1 and rate:
            x = keras.layers.Dropout(rate, name=f"{level}_dropout")(x)
    return x


def _check(classes: Any, filters: Sequence[int], dropout: Sequence[float]) -> None:
    if not isinstance(filters, list | tuple):
        raise ValueError(
            f"filters must list the channels of every level, got {filters!r}"
        )
    for argument, values in (("classes", [classes]), ("filters", list(filters))):
        if not all(type(value) is int and value > 0 for value in values):
            raise ValueError(f"{argument} must be positive integers, got {values}")
    if len(filters) <= ATTENTION_AT:
        raise ValueError(
            f"filters must have at least {ATTENTION_AT + 1} levels, got {filters!r}"
        )
    if len(dropout) != len(filters) or not all(0 <= rate < 1 for rate in dropout):
        raise ValueError(
            f"dropout must have a rate in [0, 1) for each of the {len(filters)} "
            f"levels, got {dropout!r}"
        )


def _check_shape(shape: Any, data_format: str, depth: int) -> None:
    first = data_format == "channels_first"
    whole = isinstance(shape, tuple | list) and len(shape) == 3
    if not whole or shape[0 if first else -1] is None:
        raise ValueError(
            f"input_shape must be {'(C, H, W)' if first else '(H, W, C)'} with the "
            f"channels given, got {shape!r}"
        )
    check_divisible("input_shape", tuple(shape[1:] if first else shape[:-1]), 2**depth)
