"""From a volume at native resolution to its labels, as a network's card says."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_condattn._export import export
from keras_condattn._frame import Pair, Pose
from keras_condattn.models._map_volume import label_from_maps
from keras_condattn.models._slices import SliceModel
from keras_condattn.models._steps import Steps, steps_of
from keras_condattn.models._volumes import (
    Spacing,
    check_batch_size,
    grey_levels,
    largest_pieces,
    spacing_of,
)
from keras_condattn.models.cross_modality_model import CrossModalityModel

Labels = NDArray[np.uint8]


@export
def predict_volume(
    model: keras.Model,
    volume: Mapping[str, Any],
    *,
    preprocessing: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> Labels:
    """The class of every pixel of a volume, from a network that sees slices.

    ```
    volume -> frames (grey levels, spacing, crop) -> logits -> softmax
           -> native pixels, bilinearly -> largest class
    ```

    Of a `CrossModalityModel`, which learnt from labels of slices, the class of a
    slice and where the map of that class exceeds a threshold:

    ```
    volume -> frames of each modality -> mean logits -> class of the slice
                                      -> fuse_maps -> native pixels -> > threshold
    ```

    Args:
        model: takes slices (B, h, w, 1), or a dict of `"image"` and `"conditioning"`,
            and gives logits (B, h, w, K), bare or as `"mask"` of a dict; (B, K, h, w)
            in channels_first. A single logit (K = 1) is that of class 1.
        volume: `"image"` (D, H, W) at native resolution, `"spacing"` (slices, rows,
            columns) in mm (NaN where a file has none, if no step is in mm) and,
            where the model takes it, `"conditioning"` (D, Z): an item of
            `datasets.acdc.load(root, volumes=True)`. For a `CrossModalityModel` its
            modalities under their names in place of `"image"`, (D, H, W) or
            (D, H, W, 1): an item of `datasets.brats.load(root, volumes=True)`.
        preprocessing: what was done to slices in training. None means what the
            registered weights of `model` say (`model.preprocessing`, which is saved
            with a conditioned model). A dict of these, all optional:
            `"normalise"`, `"spacing"` and `"size"` as in `datasets.acdc.load`;
            `"recentre"`, mm: where the middle of what was found lies farther than
            this from the frame's centre, the frame is moved there and the volume
            predicted once more; `"largest_component"`, True: of each class only the
            largest connected piece is kept. For a `CrossModalityModel`
            `"normalise"`, `"spacing"` and `"size"` as in `datasets.brats.load`;
            `"threshold"`, which it must have; `"maps"`, the modalities whose logits
            and maps are read (all of the model's), and `"fusion"`, `"mean"` (the
            default) or `"max"`, as in `fuse_maps`; `"least_brain"`, the share of
            brain below which a slice is negative (0.02); and `"largest_component"`.
            Defaults to None.
        batch_size: slices at once. Defaults to 32.

    Returns:
        (D, H, W), class numbers, on the pixels of `volume["image"]`; outside the
        frame class 0. `datasets.write_nifti` writes it.

    Raises:
        ValueError: where a part of `volume` is missing or does not fit, nothing
            says what the preprocessing is, or `model` is no network of slices.
        ImportError: where scipy is missing.

    Example:

    ```python
    model = keras_condattn.applications.InsideUNet(weights="acdc")
    volume = keras_condattn.datasets.acdc.load("ACDC", volumes=True)[0]
    label = keras_condattn.predict_volume(model, volume)
    keras_condattn.datasets.write_nifti("label.nii.gz", label, like=volume)
    ```

    Reference:
        The published evaluation on ACDC is per volume at native resolution: Bernard
        et al., IEEE TMI 37(11), 2018.
    """
    if isinstance(model, CrossModalityModel):
        return label_from_maps(model, volume, preprocessing, batch_size)
    slices, steps = SliceModel.of(model), steps_of(model, preprocessing)
    image, spacing, vectors = _checked(slices, steps, volume, batch_size)

    def predicted(shift: Pair) -> NDArray[np.intp]:
        frames = steps.frame.image(image, spacing, Pose(shift))
        scores = slices.scores(frames, vectors, batch_size)
        native = steps.frame.restore(scores, image.shape, spacing, shift)
        return np.asarray(native.argmax(-1))

    label = predicted((0.0, 0.0))
    shift = _middle(label, spacing)
    if steps.recentre is not None and np.hypot(*shift) > steps.recentre:
        label = predicted(shift)
    if steps.largest_component:
        label = largest_pieces(label)
    return label.astype("uint8")


def _checked(
    slices: SliceModel, steps: Steps, volume: Mapping[str, Any], batch_size: int
) -> tuple[NDArray[Any], Spacing, NDArray[np.float32] | None]:
    """Image, spacing and conditioning of a volume that fits model and steps."""
    check_batch_size(batch_size)
    conditioned = slices.conditioning is not None
    wanted = ("image", "spacing", *(("conditioning",) if conditioned else ()))
    if not isinstance(volume, Mapping):
        raise ValueError(f"volume must be a dict with {wanted}, got {type(volume)}")
    missing = [name for name in wanted if name not in volume]
    if missing:
        raise ValueError(f"volume must have {wanted}, missing are {missing}")
    image = grey_levels("image", volume["image"])
    in_mm = steps.frame.spacing is not None or steps.recentre is not None
    spacing = spacing_of(volume["spacing"], in_mm)
    slices.check_frames(*map(int, steps.frame.extent(image.shape, spacing)))
    if slices.conditioning is None:
        return image, spacing, None
    return image, spacing, _vectors(volume["conditioning"], image, slices.conditioning)


def _vectors(given: Any, image: NDArray[Any], size: int) -> NDArray[np.float32]:
    try:
        vectors = np.asarray(given, "float32")
    except (TypeError, ValueError):
        vectors = np.zeros(0, "float32")
    if vectors.shape != (len(image), size):
        raise ValueError(
            f"volume['conditioning'] must be {(len(image), size)}, one vector for "
            f"each slice, got shape {np.shape(given)}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("volume['conditioning'] must be finite, got NaN or infinity")
    return vectors


def _middle(label: NDArray[Any], spacing: Spacing) -> Pair:
    """From the image's centre to the median of what was found, in mm."""
    found = np.nonzero(label)[1:]
    if not len(found[0]):
        return (0.0, 0.0)
    down, right = (
        (np.median(where) - (extent - 1) / 2) * step
        for where, extent, step in zip(found, label.shape[1:], spacing[1:], strict=True)
    )
    return float(down), float(right)
