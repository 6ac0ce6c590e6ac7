"""From a volume in several modalities to its labels, by maps of evidence."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_condattn._brain import LEAST_BRAIN, framed_image, inside_of
from keras_condattn._frame import Frame
from keras_condattn.models._slices import axis_of_layers, check_size
from keras_condattn.models._steps import frame_of, is_number, largest_of, read_steps
from keras_condattn.models._volumes import (
    Spacing,
    check_batch_size,
    grey_levels,
    largest_pieces,
    spacing_of,
)
from keras_condattn.models.cross_modality_model import CrossModalityModel
from keras_condattn.models.map_masks import HOW, fuse_maps

NAMES = ("normalise", "spacing", "size", "maps", "fusion", "threshold", "least_brain",
         "largest_component")  # fmt: skip
EXAMPLE = '{"normalise": "zscore", "spacing": 3.0, "size": 64, "threshold": 0.3}'
Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class MapSteps:
    """The steps of `predict_volume` for maps.

    Args:
        frame: spacing and size; its normalisation is that within the brain.
        maps: the modalities whose logits and maps are read.
        how: they are fused.
        threshold: above it is in the mask.
        least_brain: slices with a smaller share of brain are negative.
        largest_component: whether only the largest piece of each class is kept.
    """

    frame: Frame
    maps: tuple[str, ...]
    how: str
    threshold: float
    least_brain: float
    largest_component: bool


def label_from_maps(
    model: CrossModalityModel,
    volume: Mapping[str, Any],
    preprocessing: Mapping[str, Any] | None,
    batch_size: int,
) -> NDArray[np.uint8]:
    """The class of every pixel, (D, H, W); `predict_volume` says more."""
    steps = read_steps(
        model, preprocessing, lambda said: _read(said, model.modalities), EXAMPLE
    )
    arrays, spacing = _checked(model, steps, volume, batch_size)
    frame = dataclasses.replace(steps.frame, normalise=None)
    zscore = steps.frame.normalise == "zscore"
    frames = {
        name: framed_image(frame, array, spacing, zscore)
        for name, array in arrays.items()
    }
    said, maps = _seen(model, steps, frames, batch_size)
    brain = np.any([inside_of(array) for array in arrays.values()], 0)
    said = np.where(brain.mean((1, 2)) < steps.least_brain, 0, said)
    shape = arrays[model.modalities[0]].shape
    label = np.zeros(shape, "uint8")
    for number, scores in maps.items():
        both = np.stack([np.zeros_like(scores), scores], -1)
        native = frame.restore(both, shape, spacing)[..., 1]
        label[(native > steps.threshold) & (said == number)[:, None, None]] = number
    return largest_pieces(label) if steps.largest_component else label


def _seen(
    model: CrossModalityModel, steps: MapSteps, frames: Mapping[str, Array], batch: int
) -> tuple[Array, dict[int, Array]]:
    """The class of each slice, (D,), and the fused maps (D, h, w) of each class."""
    axis = axis_of_layers(_parts(model))
    planes = {m: np.expand_dims(frames[m], axis) for m in model.modalities}
    inputs: Any = planes
    if not isinstance(model.input, dict):
        inputs = np.concatenate(list(planes.values()), axis)
    found = model.predict(inputs, batch_size=batch, verbose=0)
    read = [found[m] for m in steps.maps]
    logits = np.mean([np.asarray(out["logits"], "float32") for out in read], 0)
    if np.isnan(logits).any():
        raise ValueError("model gives logits that are NaN for this volume")
    cams = [np.moveaxis(np.asarray(out["class_activation_map"]), axis, -1)
            for out in read]  # fmt: skip
    return logits.argmax(-1), {
        k: fuse_maps([cam[..., k] for cam in cams], steps.how)
        for k in range(1, model.classes)
    }


def _parts(model: Any) -> Any:
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _parts(layer)


def _checked(
    model: CrossModalityModel, steps: MapSteps, volume: Any, batch_size: Any
) -> tuple[dict[str, Array], Spacing]:
    """Each modality (D, H, W) and the spacing of a volume that fits."""
    check_batch_size(batch_size)
    wanted = (*model.modalities, "spacing")
    if not isinstance(volume, Mapping):
        raise ValueError(f"volume must be a dict with {wanted}, got {type(volume)}")
    missing = [name for name in wanted if name not in volume]
    if missing:
        raise ValueError(
            f"volume must have {wanted}, missing are {missing}; it has {sorted(volume)}"
        )
    arrays = {m: grey_levels(m, _flat(volume[m])) for m in model.modalities}
    shapes = {m: array.shape for m, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"volume must have modalities of one shape, got {shapes}")
    spacing = spacing_of(volume["spacing"], steps.frame.spacing is not None)
    shape = shapes[model.modalities[0]]
    _check_frames(model, *map(int, steps.frame.extent(shape, spacing)))
    return arrays, spacing


def _flat(given: Any) -> Array:
    array = np.asarray(given)
    return array[..., 0] if array.ndim == 4 and array.shape[-1] == 1 else array


def _check_frames(model: CrossModalityModel, height: int, width: int) -> None:
    inputs, axis = model.input, axis_of_layers(_parts(model))
    stacked = not isinstance(inputs, dict)
    image = inputs if stacked else inputs[model.modalities[0]]
    shape = tuple(image.shape[1:])
    channels, size = (shape[0], shape[1:]) if axis == 1 else (shape[-1], shape[:-1])
    each = len(model.modalities) if stacked else 1
    if channels != each:
        raise ValueError(
            f"model must take modalities of one channel, got an input of {shape}"
        )
    check_size(size, height, width)


def _read(said: Mapping[str, Any], modalities: tuple[str, ...]) -> MapSteps:
    frame = frame_of(said, NAMES)
    maps = said.get("maps", modalities)
    listed = list(maps) if isinstance(maps, list | tuple) else [maps]
    if not listed or [name for name in listed if name not in modalities]:
        raise ValueError(f"must give maps as names out of {modalities}, got {maps!r}")
    how = said.get("fusion", HOW[0])
    if how not in HOW:
        raise ValueError(f"must give fusion as one of {HOW}, got {how!r}")
    threshold, least = said.get("threshold"), said.get("least_brain", LEAST_BRAIN)
    if not is_number(threshold):
        raise ValueError(f"must give threshold as a number, got {threshold!r}")
    if not is_number(least) or not 0 <= least <= 1:
        raise ValueError(f"must give least_brain from 0 to 1, got {least!r}")
    return MapSteps(frame, tuple(listed), how, float(threshold), float(least),  # type: ignore[arg-type]
                    largest_of(said))  # fmt: skip
