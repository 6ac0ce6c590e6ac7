"""A U-Net steered by non-imaging information."""

import os
from collections.abc import Sequence
from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape
from keras_condattn.models.blocks import Normalization
from keras_condattn.models.conditioning import Conditioning
from keras_condattn.models.unet import unet
from keras_condattn.weights import from_registry


@export
@from_registry
def InsideUNet(
    input_shape: Shape | None = None,
    conditioning_size: int | None = None,
    classes: int | None = None,
    conditioning: Conditioning = "inside",
    condition_at: str | Sequence[str] = ("bottleneck",),
    weights: str | os.PathLike[str] | None = None,
    *,
    filters: int | Sequence[int] = 16,
    depth: int | None = None,
    normalization: Normalization = "batch",
    dropout: float = 0.0,
    skips: bool = True,
    upsampling: str = "transpose",
    conditioning_options: dict[str, Any] | None = None,
    return_attention: bool = False,
    classifier_activation: Any = None,
    data_format: DataFormat | None = None,
    name: str = "inside_unet",
) -> keras.Model:
    """A U-Net whose chosen levels are steered by a conditioning vector.

    The first three arguments are required, unless `weights` names a registered set,
    which brings them.

    Args:
        input_shape: (*S, C), or (C, *S) in channels_first, with one to three
            spatial axes, each a multiple of 2^depth or None. Defaults to None.
        conditioning_size: length of the conditioning vector. Defaults to None.
        classes: channels of the output. Defaults to None.
        conditioning: `"inside"`, `"film"`, `"guiding"`, None, a layer, or a callable
            that makes one. Defaults to `"inside"`.
        condition_at: level names (`"encoder_s1"`, ..., `"bottleneck"`, ...,
            `"decoder_s1"`), or `"encoder"`, `"decoder"`, `"all"`. Defaults to
            `("bottleneck",)`.
        weights: None, a name out of `keras_condattn.list_weights()`, or a path to a
            `.weights.h5` file. Defaults to None.
        filters: channels of the first level, doubled at each next one, or the
            channels of every level. Defaults to 16.
        depth: how many times the image is halved. None means 4, or one less than
            there are `filters`. Defaults to None.
        normalization: `"batch"`, `"group"`, `"instance"`, `"layer"`, None, or a
            callable that makes a layer. Defaults to `"batch"`.
        dropout: rate at the end of each block. Defaults to 0.0.
        skips: concatenate the encoder's features in the decoder. Defaults to True.
        upsampling: `"transpose"` or `"nearest"`. Defaults to `"transpose"`.
        conditioning_options: arguments for a conditioning given by name. Defaults to
            None.
        return_attention: output `{"mask": logits, "attention_<level>": map}`.
            Defaults to False.
        classifier_activation: None for logits, or e.g. `"softmax"`. Defaults to
            None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"inside_unet"`.

    Returns:
        A model of `{"image": (B, *S, C), "conditioning": (B, Z)}` that gives logits
        (B, *S, classes); without conditioning, of the image alone.

    Raises:
        ValueError: for a missing or contradicting argument, a size that does not
            divide, an unknown conditioning, level or weights.

    Example:

    >>> model = keras_condattn.applications.InsideUNet(
    ...     (64, 64, 1), conditioning_size=4, classes=2, filters=4,
    ...     data_format="channels_last",
    ... )
    >>> model.output_shape
    (None, 64, 64, 2)

    Reference:
        Jacenków et al., "INSIDE: Steering Spatial Attention with Non-Imaging
        Information in CNNs", MICCAI 2020, arXiv 2008.10418. The U-Net of the
        paper's second experiment is not published; this one is ours (batch
        normalisation, two convolutions a block), and with skips everything but the
        bottleneck reaches the mask unsteered unless `condition_at` says otherwise.
    """
    required = {
        "input_shape": input_shape,
        "conditioning_size": conditioning_size,
        "classes": classes,
    }
    if conditioning is None:
        del required["conditioning_size"]
    missing = [argument for argument, value in required.items() if value is None]
    if missing or input_shape is None or classes is None:
        raise ValueError(
            f"{', '.join(missing)} must be given unless weights names a registered set"
        )
    return unet(
        input_shape,
        classes,
        conditioning=conditioning,
        conditioning_size=conditioning_size,
        condition_at=condition_at,
        conditioning_options=conditioning_options,
        return_attention=return_attention,
        filters=filters,
        depth=depth,
        normalization=normalization,
        dropout=dropout,
        skips=skips,
        upsampling=upsampling,
        classifier_activation=classifier_activation,
        data_format=data_format,
        name=name,
    )
