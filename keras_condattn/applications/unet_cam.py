"""The network of cross-modality equivariance, of one modality."""

import os
from collections.abc import Sequence

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape
from keras_condattn.models.cam_network import CAMNetwork, cam_network
from keras_condattn.weights import from_registry


@export
@from_registry
def UNetCAM(
    input_shape: Shape | None = None,
    classes: int = 2,
    filters: int | Sequence[int] = 64,
    weights: str | os.PathLike[str] | None = None,
    *,
    data_format: DataFormat | None = None,
    name: str = "unet_cam",
) -> CAMNetwork:
    """A U-Net classifier whose class activation maps have the image's resolution.

    The logits are the means of the maps, so a map is the evidence that its class's
    score adds up.

    Args:
        input_shape: (H, W, C), or (C, H, W) in channels_first; H and W multiples of
            8 (of 2 to the number of poolings), or None. Required, unless `weights`
            names a registered set, which brings it. Defaults to None.
        classes: how many, the negative one included. Defaults to 2.
        filters: channels of the first block (the paper has 64 on brain and 16 on
            prostate), of which three more have 2, 4 and 4 times as many; or those of
            every block on the way down: fewer blocks see less far, and their maps
            spread less (see `models.cam_network`). Defaults to 64.
        weights: None, a name out of `keras_condattn.list_weights()`, or a path to a
            `.weights.h5` file. Defaults to None.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"unet_cam"`.

    Returns:
        A model of images that gives `{"logits": (B, classes),
        "class_activation_map": (B, H, W, classes)}`.

    Raises:
        ValueError: for a missing or contradicting argument, a size that does not
            divide, unknown weights.

    Example:

    >>> model = keras_condattn.applications.UNetCAM(
    ...     (32, 32, 1), filters=4, data_format="channels_last"
    ... )
    >>> model(np.zeros((1, 32, 32, 1)))["logits"].shape
    (1, 2)

    Reference:
        Patel and Dolz, "Weakly supervised segmentation with cross-modality
        equivariant constraints", Medical Image Analysis 2022, arXiv 2104.02488. The
        geometry is the released code's; `load_official` takes its parameters.
    """
    if input_shape is None:
        raise ValueError(
            "input_shape must be given unless weights names a registered set"
        )
    return cam_network(
        input_shape, classes, filters, data_format=data_format, name=name
    )
