"""The networks of cross-modality equivariance, one per modality."""

import os
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Shape, Tensor
from keras_condattn.layers import RandomView, Standardize
from keras_condattn.layers._checks import check_data_format
from keras_condattn.models._cross_modality_arguments import check_view
from keras_condattn.models.cam_network import cam_network
from keras_condattn.models.cross_modality_model import CrossModalityModel
from keras_condattn.weights import from_registry


@export
@from_registry
def CrossModalityCAM(
    input_shape: Shape | None = None,
    modalities: int | Sequence[str] = 2,
    classes: int = 2,
    weights: str | os.PathLike[str] | None = None,
    *,
    filters: int | Sequence[int] = 64,
    stacked: bool = False,
    standardize: bool = True,
    view: RandomView | None = None,
    seed: int = 0,
    faults: Sequence[str] = (),
    data_format: DataFormat | None = None,
    name: str = "cross_modality_cam",
) -> CrossModalityModel:
    """One UNetCAM per modality, which learn masks from labels by agreeing.

    Compile with a `losses.CrossModalityLoss` and fit on images and class numbers;
    see `models.CrossModalityModel`.

    Args:
        input_shape: of one modality's image, (H, W, C), or (C, H, W) in
            channels_first; H and W multiples of 8 (of 2 to the number of
            poolings), or None. Required, unless `weights` names a registered set.
            Defaults to None.
        modalities: their names, or how many: `"modality_1"`, ... Defaults to 2.
        classes: how many, the negative one included. Defaults to 2.
        weights: None, a name out of `keras_condattn.list_weights()`, or a path to a
            `.weights.h5` file. Defaults to None.
        filters: channels of each network's first block, or those of every block on
            the way down, as for `UNetCAM`. Defaults to 64.
        stacked: take one image with all modalities' channels, in the order of
            `modalities`, in place of a dict. Defaults to False.
        standardize: take each image and channel to mean 0 and standard deviation 1
            first. Defaults to True.
        view: the transformation that training draws, of the same data format.
            None means `RandomView(seed=seed)`. Defaults to None.
        seed: of that. Defaults to 0.
        faults: what the released code gets wrong and training shall repeat, for
            comparison alone: `"frozen_batch_norm"` (normalisation with the averages
            it started with; the release stops updating them after the first step of
            each epoch), `"misaligned_modalities"` (each modality is shifted on its
            own by up to a tenth), `"unmasked"` (what a view shows of outside the
            image counts). Defaults to ().
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        name: the model's name. Defaults to `"cross_modality_cam"`.

    Returns:
        A model of `{modality: (B, H, W, C)}`, or of (B, H, W, M C) where `stacked`,
        that gives `{modality: {"logits": (B, classes), "class_activation_map":
        (B, H, W, classes)}}`.

    Raises:
        ValueError: for a missing or contradicting argument, a size that does not
            divide, names that are not distinct, a view of another data format,
            unknown weights or faults.

    Example:

    >>> model = keras_condattn.applications.CrossModalityCAM(
    ...     (32, 32, 1), ("t1", "flair"), filters=2, data_format="channels_last"
    ... )
    >>> model.modalities
    ('t1', 'flair')

    ```python
    model = keras_condattn.applications.CrossModalityCAM(weights="brats")
    volume = keras_condattn.datasets.brats.load(
        "BraTS", modalities=model.modalities, volumes=True
    )[0]
    label = keras_condattn.predict_volume(model, volume)  # native, 0 and 1
    ```

    Reference:
        Patel and Dolz, "Weakly supervised segmentation with cross-modality
        equivariant constraints", Medical Image Analysis 2022, arXiv 2104.02488. The
        release standardises outside the network, and with the unbiased deviation.
    """
    if input_shape is None:
        raise ValueError(
            "input_shape must be given unless weights names a registered set"
        )
    names, data_format = _names(modalities), check_data_format(data_format)  # type: ignore[assignment]
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 2:
        raise ValueError(
            "classes must be a whole number from 2 and count the negative one, got "
            f"{classes!r}"
        )
    if view is None:
        view = RandomView(seed=seed, data_format=data_format, name="view")
    check_view(view, data_format)
    axis = 1 if data_format == "channels_first" else -1
    inputs, images = _inputs(tuple(input_shape), names, stacked, axis)
    outputs = {}
    for modality, image in images.items():
        if standardize:
            image = Standardize(
                data_format, dtype="float32", name=f"{modality}_standardized"
            )(image)
        network = cam_network(input_shape, classes, filters, prefix=f"{modality}_",
                              data_format=data_format,
                              name=f"{modality}_network")  # fmt: skip
        outputs[modality] = network(image)
    model = CrossModalityModel(inputs, outputs, name=name)
    return model.with_view(view, faults)


def _inputs(
    shape: tuple[int | None, ...], names: list[str], stacked: bool, axis: int
) -> tuple[Any, dict[str, Tensor]]:
    """What the model takes, and each modality's image of it."""
    if not stacked:
        images = {name: keras.Input(shape, name=name) for name in names}
        return images, images
    place = 0 if axis == 1 else -1
    if len(shape) != 3 or shape[place] is None:
        raise ValueError(f"input_shape must give the channels, got {shape}")
    wide = list(shape)
    wide[place] = int(shape[place] or 0) * len(names)
    image = keras.Input(tuple(wide), name="image")
    parts = ops.split(image, len(names), axis=axis) if len(names) > 1 else [image]
    return image, dict(zip(names, parts, strict=True))


def _names(modalities: Any) -> list[str]:
    if isinstance(modalities, int) and not isinstance(modalities, bool):
        names = [f"modality_{i}" for i in range(1, modalities + 1)]
    else:
        names = list(modalities) if isinstance(modalities, (list, tuple)) else []
    fine = all(isinstance(name, str) and name for name in names)
    if not names or not fine or len(set(names)) != len(names):
        raise ValueError(
            f"modalities must be a number from 1 or distinct names, got {modalities!r}"
        )
    return names
