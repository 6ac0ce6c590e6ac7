"""The network of INSIDE's CLEVR-Seg experiment."""

import os
from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape
from keras_condattn.models.conditioning import Conditioning
from keras_condattn.models.unet import unet
from keras_condattn.weights import from_registry


@export
@from_registry
def InsideEncoderDecoder(
    input_shape: Shape = (200, 200, 3),
    conditioning_size: int = 4,
    conditioning: Conditioning = "inside",
    classes: int = 1,
    weights: str | os.PathLike[str] | None = None,
    *,
    conditioning_options: dict[str, Any] | None = None,
    return_attention: bool = False,
    classifier_activation: Any = None,
    data_format: DataFormat | None = None,
    name: str = "inside_encoder_decoder",
) -> keras.Model:
    """The encoder-decoder that INSIDE's authors steer on CLEVR-Seg.

    Convolutions of 16, 32 and 64 channels, each 3x3 with ReLU, with two poolings
    between them; the conditioning at a quarter of the resolution; 64, 32 and 16
    channels on the way back up (nearest neighbour), and a 1x1 convolution. No
    skips, so all that reaches the mask has passed the conditioning.

    Args:
        input_shape: (H, W, C), or (C, H, W) in channels_first, H and W multiples of
            4. Defaults to (200, 200, 3).
        conditioning_size: length of the conditioning vector. Defaults to 4, the
            quadrants.
        conditioning: `"inside"`, `"film"`, `"guiding"`, None, a layer, or a callable
            that makes one. Defaults to `"inside"`.
        classes: channels of the mask. Defaults to 1.
        weights: None, a name out of `keras_condattn.list_weights()`, or a path to a
            `.weights.h5` file. A name brings its own arguments. Defaults to None.
        conditioning_options: arguments for a conditioning given by name, e.g.
            `{"relative_sigma": True, "max_sigma": 0.25}`. Defaults to None.
        return_attention: output `{"mask": logits, "attention_bottleneck": map}`.
            Defaults to False.
        classifier_activation: None for logits, or e.g. `"sigmoid"`. Defaults to
            None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"inside_encoder_decoder"`.

    Returns:
        A model of `{"image": (B, H, W, C), "conditioning": (B, Z)}` that gives
        logits (B, H, W, classes); without conditioning, of the image alone.

    Raises:
        ValueError: for a size that 4 does not divide, an unknown `conditioning` or
            `weights`, or arguments that contradict registered weights.

    Example:

    >>> model = keras_condattn.applications.InsideEncoderDecoder(
    ...     (32, 32, 3), data_format="channels_last"
    ... )
    >>> model.output_shape
    (None, 32, 32, 1)

    Reference:
        Jacenków et al., MICCAI 2020, arXiv 2008.10418, in the geometry of the
        released code. Ours: logits leave the model in place of a sigmoid, and the
        penalty on the widths takes part in training (the release computes it and
        leaves it out).
    """
    return unet(
        input_shape,
        classes,
        conditioning=conditioning,
        conditioning_size=conditioning_size,
        conditioning_options=conditioning_options,
        return_attention=return_attention,
        filters=(16, 32, 64),
        convolutions=1,
        normalization=None,
        skips=False,
        upsampling="nearest",
        refine_bottleneck=True,
        classifier_activation=classifier_activation,
        data_format=data_format,
        name=name,
    )
