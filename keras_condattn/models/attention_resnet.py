"""Residual networks with an attention module in their blocks."""

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


@export
def attention_resnet(
    input_shape: Shape,
    classes: int,
    *,
    blocks: Sequence[int] = (3, 4, 6, 3),
    cardinality: int = 1,
    group_width: int = 64,
    width: float = 1.0,
    attention: Attention = "acm",
    attention_at: str | Sequence[str] = "all",
    attention_options: dict[str, Any] | None = None,
    return_attention: bool = False,
    pooling: str = "max",
    return_class_maps: bool = False,
    stride_in_1x1: bool = False,
    output_stride: int = 32,
    classifier_activation: Any = None,
    data_format: DataFormat | None = None,
    name: str = "attention_resnet",
) -> keras.Model:
    """A ResNet or ResNeXt with attention inside its residual blocks.

    ```
    y = relu(bn_1(conv_1 x)),  y = relu(bn_2(conv_3x3 y)),  y = bn_3(conv_1 y)
    block(x) = relu(attention(y) + shortcut(x))
    logits = pooled over positions of W block(...)       W is 1x1: class maps
    ```

    The attention stands after the last normalisation of a block and before the sum.
    Geometry and initial values are torchvision's: 7x7 stem with stride 2 and a padding
    of 3, max pooling padded by 1, the stride of a stage on the 3x3 convolution of its
    first block, symmetric padding, batch normalisation with epsilon 1e-5 and
    momentum 0.9.

    Args:
        input_shape: (*S, C), or (C, *S) in channels_first, with one to three
            spatial axes of any size (None: any size at all) and any channels.
        classes: number of scores.
        blocks: residual blocks of each of the four stages: (3, 4, 6, 3) is a
            ResNet-50, (3, 4, 23, 3) a ResNet-101. Defaults to (3, 4, 6, 3).
        cardinality: groups of the 3x3 convolutions, 32 for ResNeXt. Defaults to 1.
        group_width: channels of each such group in the first stage, 4 or 8 for
            ResNeXt. Defaults to 64.
        width: multiplies all channels. Defaults to 1.0.
        attention: `"acm"`, `"se"`, `"nl"`, `"cc"`, `"gc"`, `"cbam"`, `"srm"`, None, a
            layer, or a callable without arguments that makes one. Defaults to
            `"acm"`.
        attention_at: `"all"` blocks, the `"last"` block of each stage, or stages
            and blocks by name, such as `("layer3", "layer4_0")`. Where the authors
            of ACM put the other modules is not known; in one place for all, they
            compare. A non-local block scores all pairs of positions: of a large
            image, `"last"` or `("layer3", "layer4")` is kinder to the memory. Defaults
            to `"all"`.
        attention_options: arguments for an attention given by name, e.g.
            `{"groups": 8}`; `{"orthogonality": "output"}` makes ACM's orthogonality
            one loss for the whole network (`SummedOrthogonality`), as released.
            Defaults to None.
        return_attention: output a dict with `"attention_<block>"`, what the attention
            layer returns besides the features: (K's maps, Q's maps) for ACM. The
            weights are the same. Defaults to False.
        pooling: of the class maps, `"max"` or `"average"`. Defaults to `"max"`.
        return_class_maps: output `{"logits": (B, classes), "class_activation_map":
            (B, *S, classes)}`. The weights are the same. Defaults to False.
        stride_in_1x1: put the stride of a stage on the first 1x1 convolution, as in
            the original ResNet, in Keras Applications and in the authors' detection
            code. Defaults to False.
        output_stride: pixels of the image from one pixel of the class maps to the
            next: 32, or 16 or 8 for finer maps, where the last stage or two dilate
            their 3x3 convolutions in place of striding (torchvision's
            `replace_stride_with_dilation`). The weights are the same, and without
            attention every second (fourth) pixel of the maps is. Defaults to 32.
        classifier_activation: of the scores: None for logits, or e.g. `"sigmoid"`.
            Defaults to None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"attention_resnet"`.

    Returns:
        A `ClassMapClassifier` from images to float32 logits (B, classes), or to a
        dict of them and of maps.

    Raises:
        ValueError: for an argument out of its range, an unknown attention or place,
            or channels that the attention cannot take (ACM says which groups
            would do).

    Example:

    >>> model = keras_condattn.models.attention_resnet(
    ...     (64, 64, 1), 14, blocks=(1, 1, 1, 1), width=0.25, return_class_maps=True,
    ...     data_format="channels_last",
    ... )
    >>> model.output["class_activation_map"].shape
    (None, 2, 2, 14)

    Reference:
        He et al., CVPR 2016, arXiv 1512.03385; Xie et al., "Aggregated Residual
        Transformations", CVPR 2017, arXiv 1611.05431; the place of the attention and
        the head are those of the released ACM, arXiv 2007.07506. Ours: one and three
        spatial axes, and average pooling beside the released maximum.
    """
    data_format = check_data_format(data_format)  # type: ignore[assignment]
    sizes, blocks = spatial_sizes(input_shape, str(data_format)), _checked(blocks)
    if isinstance(output_stride, bool) or output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    make = attention_factory(
        attention, attention_options, return_attention, str(data_format)
    )
    places = [f"layer{s + 1}_{b}" for s, n in enumerate(blocks) for b in range(n)]
    net = Backbone(
        len(sizes), str(data_format), make, chosen_places(attention_at, places)
    )
    image = keras.Input(tuple(input_shape), name="image")
    x = net.stem(image, scaled(64, width), 1)
    for place in places:
        stage, block = map(int, place.removeprefix("layer").split("_"))
        planes = scaled(64 * 2 ** (stage - 1), width)
        inner = cardinality * scaled(planes, group_width / 64)
        stride, dilation = _steps(stage, not block, output_stride, stride_in_1x1)
        strides = (stride, 1) if stride_in_1x1 else (1, stride)
        x = _block(
            net, x, (inner, 4 * planes), strides, dilation, cardinality, place,
            not block,
        )  # fmt: skip
    return class_map_classifier(
        net, image, x, classes, pooling=pooling, name=name,
        classifier_activation=classifier_activation,
        return_class_maps=return_class_maps, return_attention=return_attention,
    )  # fmt: skip


def _checked(blocks: Sequence[int]) -> Sequence[int]:
    whole = all(isinstance(n, int) and n > 0 for n in blocks)
    if len(blocks) != 4 or not whole:
        raise ValueError(f"blocks must be four positive integers, got {blocks!r}")
    return blocks


def _steps(
    stage: int, first: bool, output_stride: int, stride_in_1x1: bool
) -> tuple[int, int]:
    """Stride of a block, and dilation of its 3x3 convolution.

    A stride that is left out doubles the dilation of every 3x3 convolution behind it.
    """
    before, after = (max(2**s // output_stride, 1) for s in (stage, stage + 1))
    stride = 2 if first and stage > 1 and after == 1 else 1
    return stride, before if first and not stride_in_1x1 else after


def _block(
    net: Backbone,
    x: Tensor,
    channels: tuple[int, int],
    strides: tuple[int, int],
    dilation: int,
    groups: int,
    name: str,
    project: bool,
) -> Tensor:
    inner, outer = channels
    y = net.conv(x, inner, 1, strides[0], name=f"{name}_conv1")
    y = net.relu(net.norm(y, f"{name}_bn1"), f"{name}_relu1")
    y = net.conv(
        y, inner, 3, strides[1], groups=groups, dilation_rate=dilation,
        name=f"{name}_conv2",
    )  # fmt: skip
    y = net.relu(net.norm(y, f"{name}_bn2"), f"{name}_relu2")
    y = net.norm(net.conv(y, outer, 1, name=f"{name}_conv3"), f"{name}_bn3")
    y = net.attend(y, name)
    if project:
        stride = max(strides)
        x = net.conv(x, outer, 1, stride, name=f"{name}_downsample_0")
        x = net.norm(x, f"{name}_downsample_1")
    return net.relu(keras.layers.Add(name=f"{name}_add")([y, x]), f"{name}_out")
