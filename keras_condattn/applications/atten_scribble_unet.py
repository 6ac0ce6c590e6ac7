"""The network of AttenScribble."""

import os
from collections.abc import Sequence

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape
from keras_condattn.layers.attentive_similarity import SimilarityOf
from keras_condattn.models.scribble_model import ScribbleModel
from keras_condattn.models.scribble_unet import scribble_unet
from keras_condattn.weights import from_registry


@export
@from_registry
def AttenScribbleUNet(
    input_shape: Shape = (256, 256, 1),
    classes: int = 4,
    weights: str | os.PathLike[str] | None = None,
    *,
    attention: bool = True,
    similarity: SimilarityOf = "attention",
    similarity_radius: int = 5,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    dropout: float | Sequence[float] = (0.05, 0.1, 0.2, 0.3, 0.5),
    data_format: DataFormat | None = None,
    name: str = "atten_scribble_unet",
) -> ScribbleModel:
    """A U-Net whose attention says which neighbours are alike, for scribbles.

    Two convolutions a level (3x3 with bias, batch normalisation, leaky ReLU of slope
    0.01, dropout between them); at a quarter of the resolution
    `layers.AttentiveSimilarity`, whose features go on down and to the skip in place
    of the level's own; on the way up a 1x1 convolution, bilinear upsampling with
    corners aligned, and the skip; a 3x3 convolution makes the logits.

    `export` writes a SavedModel from TensorFlow and from JAX. From torch to ONNX the
    network goes with `attention=False` only: torch's exporter knows no gradients that
    are written out, and those of the attention are, for memory's sake.

    Args:
        input_shape: (H, W, C), or (C, H, W) in channels_first, H and W multiples of
            16 (of 2 to the power of the levels less one) or None. Defaults to
            (256, 256, 1).
        classes: channels of the mask. Defaults to 4.
        weights: None, a name out of `keras_condattn.list_weights()`, or a path to a
            `.weights.h5` file. A name brings its own arguments. Defaults to None.
        attention: False for the plain U-Net, which gives no similarity. Defaults to
            True.
        similarity: what K is made of, `"attention"` as released or
            `"log_attention"`; see `layers.AttentiveSimilarity`. Defaults to
            `"attention"`.
        similarity_radius: of the window of K, in pixels of the feature map. Defaults
            to 5.
        filters: channels of every level, three levels or more. Defaults to
            (16, 32, 64, 128, 256).
        dropout: rate of each level on the way down, or one for all. Defaults to
            (0.05, 0.1, 0.2, 0.3, 0.5).
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"atten_scribble_unet"`.

    Returns:
        A `models.ScribbleModel` of images (B, H, W, C) that gives a dict: `"mask"`,
        logits (B, H, W, classes), and `"similarity"`, K of each pixel's window,
        (B, H/4, W/4, (2 similarity_radius + 1)^2) in both data formats.

    Raises:
        ValueError: for a size that does not divide, an argument out of its range,
            unknown `weights`, or arguments that contradict registered ones.

    Example:

    >>> model = keras_condattn.applications.AttenScribbleUNet(
    ...     (32, 32, 1), filters=(4, 4, 8), dropout=0.1, data_format="channels_last"
    ... )
    >>> {name: tuple(x.shape) for name, x in model.output.items()}
    {'mask': (None, 32, 32, 4), 'similarity': (None, 8, 8, 121)}

    Reference:
        AttenScribble, arXiv 2312.06614 (J. Vis. Commun. Image R. 110, 2025), in the
        geometry of the released parameters, which `load_official` reads; without
        attention the U-Net of WSL4MIS, whose parameters it reads too. Ours: K comes
        for a window's neighbours in place of all pairs of pixels, and its sigmoid
        starts at 1/2 in every run.
    """
    # filters that are no list are for the network to name.
    levels = len(filters) if isinstance(filters, list | tuple) else 1
    rates = [dropout] * levels if isinstance(dropout, int | float) else dropout
    return scribble_unet(
        input_shape,
        classes,
        filters=filters,
        dropout=rates,
        attention=attention,
        similarity=similarity,
        similarity_radius=similarity_radius,
        data_format=data_format,
        name=name,
    )
