"""Densely connected networks with attention between their dense blocks."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape, Tensor
from keras_condattn.layers._checks import check_data_format
from keras_condattn.models.attention import (
    Attention,
    attention_factory,
    chosen_places,
)
from keras_condattn.models.backbone import Backbone, scaled, spatial_sizes
from keras_condattn.models.classifier import class_map_classifier

# Below this, the last transition would pool nothing into nothing.
SMALLEST = 29


@export
def attention_densenet(
    input_shape: Shape,
    classes: int,
    *,
    blocks: Sequence[int] = (6, 12, 24, 16),
    growth: int = 32,
    width: float = 1.0,
    attention: Attention = "acm",
    attention_at: str | Sequence[str] = "all",
    attention_options: dict[str, Any] | None = None,
    return_attention: bool = False,
    pooling: str = "max",
    return_class_maps: bool = False,
    classifier_activation: Any = None,
    data_format: DataFormat | None = None,
    name: str = "attention_densenet",
) -> keras.Model:
    """A DenseNet with attention after each of its four dense blocks.

    ```
    dense layer:  x = [x, conv_3x3 relu(bn_2 conv_1 relu(bn_1 x))]
    transition:   x = average_pool(conv_1 relu(attention(bn x)))
    end:          logits = pooled over positions of W relu(attention(bn x))
    ```

    Where the authors of ACM put it is not published. The slot here is as in a residual
    block, between a normalisation and the non-linearity after it, where all that a
    dense block has gathered comes by: 256, 512, 1024 and 1024 channels. Inside
    the dense layers, 58 modules would each see 32 new channels only, fewer than 32
    groups with a hidden layer can divide.

    Args:
        input_shape: (*S, C), or (C, *S) in channels_first, with one to three
            spatial axes, each None or at least 29, and any channels.
        classes: number of scores.
        blocks: dense layers of each of the four blocks; the default is a
            DenseNet-121. Defaults to (6, 12, 24, 16).
        growth: channels that a dense layer adds. Defaults to 32.
        width: multiplies all channels. Defaults to 1.0.
        attention: `"acm"`, `"se"`, `"nl"`, `"cc"`, `"gc"`, `"cbam"`, `"srm"`, None, a
            layer, or a callable without arguments that makes one. Defaults to
            `"acm"`.
        attention_at: `"all"`, or some of `"transition1"`, `"transition2"`,
            `"transition3"` and `"norm5"`. Defaults to `"all"`.
        attention_options: arguments for an attention given by name, e.g.
            `{"groups": 8}`; `{"orthogonality": "output"}` makes ACM's orthogonality
            one loss for the whole network (`SummedOrthogonality`), as released.
            Defaults to None.
        return_attention: output a dict with `"attention_<place>"`, what the attention
            layer returns besides the features. Defaults to False.
        pooling: of the class maps, `"max"` or `"average"`. Defaults to `"max"`.
        return_class_maps: output `{"logits": (B, classes), "class_activation_map":
            (B, *S, classes)}`. Defaults to False.
        classifier_activation: of the scores: None for logits, or e.g. `"sigmoid"`.
            Defaults to None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"attention_densenet"`.

    Returns:
        A `ClassMapClassifier` from images to float32 logits (B, classes), or to a
        dict of them and of maps.

    Raises:
        ValueError: for an argument out of its range, an unknown attention or place,
            or channels that the attention cannot take.

    Example:

    >>> model = keras_condattn.models.attention_densenet(
    ...     (64, 64, 1), 14, blocks=(1, 1, 1, 1), attention="se",
    ...     data_format="channels_last",
    ... )
    >>> model.output_shape
    (None, 14)

    Reference:
        Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, arXiv
        1608.06993, in torchvision's geometry.
    """
    data_format = check_data_format(data_format)  # type: ignore[assignment]
    sizes = spatial_sizes(input_shape, str(data_format))
    _check(blocks, growth, sizes)
    make = attention_factory(
        attention, attention_options, return_attention, str(data_format)
    )
    places = ["transition1", "transition2", "transition3", "norm5"]
    net = Backbone(
        len(sizes), str(data_format), make, chosen_places(attention_at, places)
    )
    image = keras.Input(tuple(input_shape), name="image")
    x = net.stem(image, scaled(2 * growth, width), 0)
    for i, count in enumerate(blocks, start=1):
        for j in range(1, count + 1):
            x = _dense_layer(
                net, x, scaled(growth, width), f"denseblock{i}_denselayer{j}"
            )
        x = _transition(net, x, f"transition{i}") if i < 4 else net.norm(x, "norm5")
    x = net.relu(net.attend(x, "norm5"), "relu5")
    return class_map_classifier(
        net, image, x, classes, pooling=pooling, name=name,
        classifier_activation=classifier_activation,
        return_class_maps=return_class_maps, return_attention=return_attention,
    )  # fmt: skip


def _check(blocks: Sequence[int], growth: int, sizes: tuple[int | None, ...]) -> None:
    if len(blocks) != 4 or not all(isinstance(n, int) and n > 0 for n in blocks):
        raise ValueError(f"blocks must be four positive integers, got {blocks!r}")
    if not isinstance(growth, int) or growth < 1:
        raise ValueError(f"growth must be a positive integer, got {growth!r}")
    if any(size is not None and size < SMALLEST for size in sizes):
        raise ValueError(
            f"input_shape: each spatial size must be at least {SMALLEST}, as the "
            f"network halves the image five times, got {sizes}"
        )


def _dense_layer(net: Backbone, x: Tensor, growth: int, name: str) -> Tensor:
    y = net.relu(net.norm(x, f"{name}_norm1"), f"{name}_relu1")
    y = net.conv(y, 4 * growth, 1, name=f"{name}_conv1")
    y = net.relu(net.norm(y, f"{name}_norm2"), f"{name}_relu2")
    y = net.conv(y, growth, 3, name=f"{name}_conv2")
    return keras.layers.Concatenate(net.channel_axis, name=f"{name}_concat")([x, y])


def _transition(net: Backbone, x: Tensor, name: str) -> Tensor:
    channels = x.shape[net.channel_axis]
    x = net.attend(net.norm(x, f"{name}_norm"), name)
    x = net.relu(x, f"{name}_relu")
    x = net.conv(x, max(channels // 2, 1), 1, name=f"{name}_conv")
    return net.layer("AveragePooling{}", 2, strides=2, name=f"{name}_pool")(x)
