"""From a volume at native resolution to its labels, as a network's card says."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_condattn._export import export
from keras_condattn._frame import NORMALISATIONS, Frame, Pair, Pose

Labels = NDArray[np.uint8]
STEPS = ("normalise", "spacing", "size", "recentre", "largest_component")


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

    Args:
        model: takes slices (B, h, w, 1), or a dict of `"image"` and `"conditioning"`,
            and gives logits (B, h, w, K), bare or as `"mask"` of a dict; (B, K, h, w)
            in channels_first.
        volume: `"image"` (D, H, W) at native resolution, `"spacing"` (slices, rows,
            columns) in mm and, where the model takes it, `"conditioning"` (D, Z): an
            item of `datasets.acdc.load(root, volumes=True)`.
        preprocessing: what was done to slices in training. None means what the
            registered weights of `model` say. A dict of these, all optional:
            `"normalise"`, `"spacing"` and `"size"` as in `datasets.acdc.load`;
            `"recentre"`, mm: where the middle of what was found lies farther than
            this from the frame's centre, the frame is moved there and the volume
            predicted once more; `"largest_component"`, True: of each class only the
            largest connected piece is kept. Defaults to None.
        batch_size: slices at once. Defaults to 32.

    Returns:
        (D, H, W), class numbers, on the pixels of `volume["image"]`; outside the
        frame class 0. `datasets.write_nifti` writes it.

    Raises:
        ValueError: where a part of `volume` is missing or does not fit, or nothing
            says what the preprocessing is.
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
    steps = _steps(model, preprocessing)
    image, spacing = _checked(model, volume)
    frame, limit = Frame.of(steps), steps.get("recentre")
    scores = _scores(model, frame, volume, (0.0, 0.0), batch_size)
    label = frame.restore(scores, image.shape, spacing).argmax(-1)
    shift = _middle(label, spacing)
    if limit is not None and np.hypot(*shift) > limit:
        scores = _scores(model, frame, volume, shift, batch_size)
        label = frame.restore(scores, image.shape, spacing, shift).argmax(-1)
    if steps.get("largest_component"):
        label = _largest(label, scores.shape[-1])
    return label.astype("uint8")


def _steps(model: keras.Model, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    steps = getattr(model, "preprocessing", None) if given is None else given
    if not steps:
        raise ValueError(
            "preprocessing must say how slices were made for this model, e.g. "
            '{"normalise": "zscore", "spacing": (1.5, 1.5), "size": (128, 128)}: it '
            "was not made with registered weights that do"
        )
    unknown = sorted(set(steps) - set(STEPS))
    if unknown:
        raise ValueError(f"preprocessing may hold {STEPS}, got also {unknown}")
    if steps.get("normalise") not in NORMALISATIONS:
        raise ValueError(
            f"preprocessing['normalise'] must be one of {NORMALISATIONS}, got "
            f"{steps['normalise']!r}"
        )
    return steps


def _checked(
    model: keras.Model, volume: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[float, ...]]:
    conditioned = isinstance(model.input, dict)
    wanted = ("image", "spacing", *(("conditioning",) if conditioned else ()))
    missing = [name for name in wanted if name not in volume]
    if missing:
        raise ValueError(f"volume must have {wanted}, missing are {missing}")
    image = np.asarray(volume["image"])
    if image.ndim != 3:
        raise ValueError(f"volume['image'] must be (D, H, W), got shape {image.shape}")
    spacing = tuple(map(float, volume["spacing"]))
    if len(spacing) != 3 or not all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise ValueError(
            "volume['spacing'] must be (slices, rows, columns) in mm, above 0, got "
            f"{spacing}"
        )
    if conditioned:
        size = model.input["conditioning"].shape[-1]
        shape = np.shape(volume["conditioning"])
        if shape != (len(image), size):
            raise ValueError(
                f"volume['conditioning'] must be {(len(image), size)}, one vector for "
                f"each slice, got shape {shape}"
            )
    return image, spacing


def _scores(
    model: keras.Model,
    frame: Frame,
    volume: Mapping[str, Any],
    shift: Pair,
    batch_size: int,
) -> NDArray[np.float32]:
    """Probabilities (D, h, w, K) of a volume's frames."""
    frames = frame.image(volume["image"], volume["spacing"], Pose(shift))
    axis = 1 if _channels_first(model) else -1
    inputs: Any = np.expand_dims(frames, axis)
    if isinstance(model.input, dict):
        vector = np.asarray(volume["conditioning"], "float32")
        inputs = {"image": inputs, "conditioning": vector}
    output = model.predict(inputs, batch_size=batch_size, verbose=0)
    logits = output["mask"] if isinstance(output, dict) else output
    logits = np.moveaxis(np.asarray(logits, "float32"), axis, -1)
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def _channels_first(model: keras.Model) -> bool:
    formats = (getattr(layer, "data_format", None) for layer in model.layers)
    default = keras.config.image_data_format()
    return next((f for f in formats if f), default) == "channels_first"


def _middle(label: NDArray[Any], spacing: tuple[float, ...]) -> Pair:
    """From the image's centre to the median of what was found, in mm."""
    found = np.nonzero(label)[1:]
    if not len(found[0]):
        return (0.0, 0.0)
    down, right = (
        (np.median(where) - (extent - 1) / 2) * step
        for where, extent, step in zip(found, label.shape[1:], spacing[1:], strict=True)
    )
    return float(down), float(right)


def _largest(label: NDArray[Any], classes: int) -> NDArray[Any]:
    """Of each class its largest piece, connected across faces."""
    from scipy import ndimage

    kept = np.zeros_like(label)
    for number in range(1, classes):
        pieces, count = ndimage.label(label == number)
        if count:
            sizes = np.bincount(pieces.ravel())[1:]
            kept[pieces == 1 + sizes.argmax()] = number
    return kept
