"""A U-Net whose class scores are the means of its full-resolution class maps."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape, Tensor
from keras_condattn.layers._checks import check_data_format
from keras_condattn.models.divisible import DivisibleSize, check_divisible

# Widths of the released network's blocks on the way down, over those of the first.
RELEASED = (1, 2, 4, 4)


@export
class CAMNetwork(keras.Model):
    """The functional model that `cam_network` makes.

    It is a class of its own so that `load_official` knows whose parameters it takes.

    Example:

    >>> model = keras_condattn.models.cam_network(
    ...     (16, 16, 1), filters=4, data_format="channels_last"
    ... )
    >>> isinstance(model, keras_condattn.models.CAMNetwork)
    True
    """


@export
def cam_network(
    input_shape: Shape,
    classes: int = 2,
    filters: int | Sequence[int] = 64,
    *,
    prefix: str = "",
    data_format: DataFormat | None = None,
    name: str = "cam_network",
) -> CAMNetwork:
    """A U-Net whose class scores are the means of its full-resolution class maps.

    ```
    A      = conv1x1(features)           (B, H, W, classes), no bias
    logits = mean over H and W of A
    ```

    so that the map *is* the evidence that the score adds up. Blocks of two 3x3
    convolutions, each with batch normalisation and ReLU, with poolings between them
    on the way down and nearest neighbour upsampling and concatenation on the way up,
    where each is as wide as the block above it was on the way down; and one more
    convolution of the first block's width.

    A score asks every pixel that knows the class for evidence, not only those that
    show it, and a pixel knows what its field of view shows: about 100 pixels across
    with three poolings, 45 with two, 20 with one. Where the image is not much larger,
    maps spread over all of it; give fewer blocks.

    Args:
        input_shape: (H, W, C), or (C, H, W) in channels_first; H and W multiples of
            2 to the number of poolings (8), or None.
        classes: channels of the map. Defaults to 2.
        filters: channels of the first block, of which three more have 2, 4 and 4
            times as many; or those of every block on the way down, which are as many
            as there are numbers. Defaults to 64.
        prefix: before the names of the layers that have weights. Several networks in
            one model need one each: on torch, Keras (3.15) keeps parameters by their
            names, and does not reset the gradients of one that shares its name.
            Defaults to `""`.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"cam_network"`.

    Returns:
        A model of images that gives `{"logits": (B, classes),
        "class_activation_map": (B, H, W, classes)}` in float32.

    Raises:
        ValueError: for a size that does not divide (with the size to pad to), or an
            argument out of its range.

    Example:

    >>> model = keras_condattn.models.cam_network(
    ...     (16, 24, 1), filters=4, data_format="channels_last"
    ... )
    >>> model(np.zeros((1, 16, 24, 1)))["class_activation_map"].shape
    (1, 16, 24, 2)

    Reference:
        arXiv 2104.02488, in the geometry of the released code, whose parameters
        `load_official` takes. Its biases start at U(+-1/sqrt(fan in)), which batch
        normalisation takes away again; here they start at 0.
    """
    data_format = check_data_format(data_format)  # type: ignore[assignment]
    first = data_format == "channels_first"
    widths = _widths(filters)
    halvings = len(widths) - 1
    _check(input_shape, classes, 2**halvings, first)
    net = _Layers(str(data_format), 1 if first else -1, prefix)
    image = keras.Input(tuple(input_shape), name="image")
    x: Tensor = image
    if None in tuple(input_shape) and halvings:
        x = DivisibleSize(2**halvings, data_format, name="size")(x)
    skips: list[Tensor] = []
    for level, width in enumerate(widths):
        block = f"encoder_s{2**level}" if level < halvings else "bottleneck"
        if skips:
            x = keras.layers.MaxPooling2D(
                2, data_format=data_format, name=f"{block}_pool"
            )(x)
        x = net.block(x, width, block)
        skips.append(x)
    for level in reversed(range(halvings)):
        block = f"decoder_s{2**level}"
        x = net.up(x, skips[level], block)
        x = net.block(x, widths[max(level - 1, 0)], block)
    x = net.conv(x, widths[0], "backbone")
    outputs = net.head(x, classes)
    return CAMNetwork(image, outputs, name=name)


class _Layers:
    """The pieces of the network in one data format."""

    def __init__(self, data_format: str, axis: int, prefix: str) -> None:
        self.axis, self.format = axis, {"data_format": data_format}
        self.prefix = prefix

    def block(self, x: Tensor, filters: int, name: str) -> Tensor:
        """Two convolutions."""
        return self.conv(self.conv(x, filters, f"{name}_1"), filters, f"{name}_2")

    def conv(self, x: Tensor, filters: int, name: str) -> Tensor:
        """3x3, batch normalisation as PyTorch has it, ReLU."""
        x = keras.layers.Conv2D(
            filters, 3, padding="same", kernel_initializer=_xavier(),
            name=f"{self.prefix}{name}_conv", **self.format,
        )(x)  # fmt: skip
        x = keras.layers.BatchNormalization(
            axis=self.axis,
            momentum=0.9,
            epsilon=1e-5,
            name=f"{self.prefix}{name}_norm",
        )(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def up(self, x: Tensor, skip: Tensor, name: str) -> Tensor:
        """Twice the size, beside the encoder's features."""
        x = keras.layers.UpSampling2D(2, name=f"{name}_up", **self.format)(x)
        return keras.layers.Concatenate(self.axis, name=f"{name}_skip")([skip, x])

    def head(self, x: Tensor, classes: int) -> dict[str, Tensor]:
        """The maps, and their means."""
        x = keras.layers.Conv2D(
            classes, 1, use_bias=False, kernel_initializer=_xavier(),
            name=f"{self.prefix}classifier", **self.format,
        )(x)  # fmt: skip
        # Means over all pixels want float32, whatever the network computes in.
        full = {"dtype": "float32"}
        cam = keras.layers.Activation("linear", name="class_activation_map", **full)(x)
        pool = keras.layers.GlobalAveragePooling2D(name="logits", **self.format, **full)
        return {"logits": pool(cam), "class_activation_map": cam}


def _xavier() -> keras.initializers.Initializer:
    """Not truncated, as in the release."""
    return keras.initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal")


def _widths(filters: Any) -> list[int]:
    """The widths of the blocks on the way down."""
    if _positive(filters):
        return [factor * filters for factor in RELEASED]
    listed = isinstance(filters, (list, tuple))
    if not listed or not filters or not all(_positive(width) for width in filters):
        raise ValueError(
            "filters must be a positive integer or several, one for each block on the "
            f"way down, got {filters!r}"
        )
    return list(filters)


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check(shape: Any, classes: Any, multiple: int, first: bool) -> None:
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ValueError(
            f"input_shape must be {'(C, H, W)' if first else '(H, W, C)'}, got "
            f"{shape!r}"
        )
    if shape[0 if first else -1] is None:
        raise ValueError(f"input_shape must give the channels, got {shape!r}")
    spatial = tuple(shape[1:] if first else shape[:-1])
    check_divisible("input_shape", spatial, multiple)
    if not _positive(classes):
        raise ValueError(f"classes must be a positive integer, got {classes!r}")
