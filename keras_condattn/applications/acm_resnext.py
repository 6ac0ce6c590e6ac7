"""ResNeXts that compare."""

import os
from collections.abc import Sequence
from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape
from keras_condattn.models.attention import Attention
from keras_condattn.models.attention_resnet import attention_resnet
from keras_condattn.models.classifier import required
from keras_condattn.weights import from_imagenet, from_registry


@export
@from_imagenet
@from_registry
def ACMResNeXt50(
    input_shape: Shape | None = None,
    classes: int | None = None,
    attention: Attention = "acm",
    pooling: str = "max",
    weights: str | os.PathLike[str] | None = None,
    *,
    width: float = 1.0,
    attention_at: str | Sequence[str] = "all",
    attention_options: dict[str, Any] | None = None,
    return_attention: bool = False,
    return_class_maps: bool = False,
    stride_in_1x1: bool = False,
    output_stride: int = 32,
    classifier_activation: Any = None,
    data_format: DataFormat | None = None,
    name: str = "acm_resnext50",
) -> keras.Model:
    """A ResNeXt-50 (32x4d) that compares in each of its 16 residual blocks.

    As `ACMResNet50`, with 3x3 convolutions in 32 groups of, at first, 4 channels.

    The first two arguments are required, unless `weights` names a registered set,
    which brings them.

    Args:
        input_shape: (*S, C), or (C, *S) in channels_first, with one to three
            spatial axes of any size. Defaults to None.
        classes: number of scores. Defaults to None.
        attention: `"acm"`, `"se"`, `"nl"`, `"cc"`, `"gc"`, `"cbam"`, `"srm"`, None, a
            layer, or a callable without arguments that makes one. Defaults to
            `"acm"`.
        pooling: of the class maps, `"max"` as released, or `"average"`. Defaults to
            `"max"`.
        weights: None, a name out of `keras_condattn.list_weights()`, the path of our
            own `.weights.h5` or `.keras` file, or ImageNet's, with which attention and
            head stay fresh: `"imagenet"` (torchvision's file), or the path of
            such a `.pth` or `.safetensors` file. Defaults to None.
        width: multiplies all channels. Defaults to 1.0.
        attention_at: `"all"` blocks, the `"last"` of each stage, or stages and
            blocks by name, such as `("layer3", "layer4_0")`. Defaults to `"all"`.
        attention_options: arguments for an attention given by name, e.g.
            `{"groups": 8}`; `{"orthogonality": "output"}` makes ACM's orthogonality
            one loss for the whole network (`SummedOrthogonality`), as released.
            Defaults to None.
        return_attention: output a dict with the attention's maps at
            `"attention_<place>"`. Defaults to False.
        return_class_maps: output `{"logits": (B, classes), "class_activation_map":
            (B, *S, classes)}`. Defaults to False.
        stride_in_1x1: put the stride of a stage on the first 1x1 convolution of its
            first block, in place of the 3x3. Defaults to False.
        output_stride: pixels of the image from one pixel of the class maps to the
            next: 32, or 16 or 8 for finer maps by dilation. Defaults to 32.
        classifier_activation: of the scores: None for logits, or e.g. `"sigmoid"`.
            Defaults to None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"acm_resnext50"`.

    Returns:
        A model from images (B, *S, C) to float32 logits (B, classes), or to a dict.

    Raises:
        ValueError: for a missing or unknown argument, channels that the attention
            cannot take, or weights of another network.

    Example:

    >>> model = keras_condattn.applications.ACMResNeXt50(
    ...     (64, 64, 1), 14, attention="se", width=0.25, data_format="channels_last"
    ... )
    >>> model.output_shape
    (None, 14)

    Reference:
        Kim et al., "Learning Visual Context by Comparison", ECCV 2020, arXiv
        2007.07506. As `ACMResNet50`.
    """
    return attention_resnet(
        *required(input_shape, classes),
        blocks=(3, 4, 6, 3),
        cardinality=32,
        group_width=4,
        width=width,
        attention=attention,
        attention_at=attention_at,
        attention_options=attention_options,
        return_attention=return_attention,
        pooling=pooling,
        return_class_maps=return_class_maps,
        stride_in_1x1=stride_in_1x1,
        output_stride=output_stride,
        classifier_activation=classifier_activation,
        data_format=data_format,
        name=name,
    )


@export
@from_imagenet
@from_registry
def ACMResNeXt101(
    input_shape: Shape | None = None,
    classes: int | None = None,
    attention: Attention = "acm",
    pooling: str = "max",
    weights: str | os.PathLike[str] | None = None,
    *,
    width: float = 1.0,
    attention_at: str | Sequence[str] = "all",
    attention_options: dict[str, Any] | None = None,
    return_attention: bool = False,
    return_class_maps: bool = False,
    stride_in_1x1: bool = False,
    output_stride: int = 32,
    classifier_activation: Any = None,
    data_format: DataFormat | None = None,
    name: str = "acm_resnext101",
) -> keras.Model:
    """A ResNeXt-101 (32x8d) that compares in each of its 33 residual blocks.

    As `ACMResNet101`, with 3x3 convolutions in 32 groups of, at first, 8 channels.

    The first two arguments are required, unless `weights` names a registered set,
    which brings them.

    Args:
        input_shape: (*S, C), or (C, *S) in channels_first, with one to three
            spatial axes of any size. Defaults to None.
        classes: number of scores. Defaults to None.
        attention: `"acm"`, `"se"`, `"nl"`, `"cc"`, `"gc"`, `"cbam"`, `"srm"`, None, a
            layer, or a callable without arguments that makes one. Defaults to
            `"acm"`.
        pooling: of the class maps, `"max"` as released, or `"average"`. Defaults to
            `"max"`.
        weights: None, a name out of `keras_condattn.list_weights()`, the path of our
            own `.weights.h5` or `.keras` file, or ImageNet's, with which attention and
            head stay fresh: `"imagenet"` (torchvision's file), or the path of
            such a `.pth` or `.safetensors` file. Defaults to None.
        width: multiplies all channels. Defaults to 1.0.
        attention_at: `"all"` blocks, the `"last"` of each stage, or stages and
            blocks by name, such as `("layer3", "layer4_0")`. Defaults to `"all"`.
        attention_options: arguments for an attention given by name, e.g.
            `{"groups": 8}`; `{"orthogonality": "output"}` makes ACM's orthogonality
            one loss for the whole network (`SummedOrthogonality`), as released.
            Defaults to None.
        return_attention: output a dict with the attention's maps at
            `"attention_<place>"`. Defaults to False.
        return_class_maps: output `{"logits": (B, classes), "class_activation_map":
            (B, *S, classes)}`. Defaults to False.
        stride_in_1x1: put the stride of a stage on the first 1x1 convolution of its
            first block, in place of the 3x3. Defaults to False.
        output_stride: pixels of the image from one pixel of the class maps to the
            next: 32, or 16 or 8 for finer maps by dilation. Defaults to 32.
        classifier_activation: of the scores: None for logits, or e.g. `"sigmoid"`.
            Defaults to None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"acm_resnext101"`.

    Returns:
        A model from images (B, *S, C) to float32 logits (B, classes), or to a dict.

    Raises:
        ValueError: for a missing or unknown argument, channels that the attention
            cannot take, or weights of another network.

    Example:

    >>> model = keras_condattn.applications.ACMResNeXt101(
    ...     (64, 64, 1), 14, attention="se", width=0.25, data_format="channels_last"
    ... )
    >>> model.output_shape
    (None, 14)

    Reference:
        Kim et al., "Learning Visual Context by Comparison", ECCV 2020, arXiv
        2007.07506. As `ACMResNet50`.
    """
    return attention_resnet(
        *required(input_shape, classes),
        blocks=(3, 4, 23, 3),
        cardinality=32,
        group_width=8,
        width=width,
        attention=attention,
        attention_at=attention_at,
        attention_options=attention_options,
        return_attention=return_attention,
        pooling=pooling,
        return_class_maps=return_class_maps,
        stride_in_1x1=stride_in_1x1,
        output_stride=output_stride,
        classifier_activation=classifier_activation,
        data_format=data_format,
        name=name,
    )
