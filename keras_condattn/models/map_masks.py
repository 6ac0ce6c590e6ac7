"""From maps of evidence to masks: fusion, threshold, and how to choose it."""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from keras_condattn._export import export
from keras_condattn.losses import normalize_cam
from keras_condattn.losses._checks import is_number

Array = NDArray[np.float32]
HOW = ("mean", "max")
THRESHOLDS = tuple(round(0.05 * n, 2) for n in range(1, 20))


@export
def fuse_maps(
    maps: Mapping[str, ArrayLike] | Sequence[ArrayLike],
    how: str = "mean",
    *,
    normalise: bool = True,
    size: tuple[int, int] | None = None,
) -> Array:
    """One map out of those of several modalities (or networks, or methods).

    ```
    fused = mean or max over m of normalize_cam(map_m / max map_m)
    ```

    The mean keeps what the modalities agree in; the maximum all that one of them
    shows.

    Args:
        maps: by modality, or in a list: each (B, H, W), the map of one class; what
            `grad_cam(..., classes=1)[..., 0]` returns, or channel 1 of a
            `class_activation_map`. One is fine.
        how: `"mean"` or `"max"`. Defaults to "mean".
        normalise: take each image's map to [0, 1] first, as `losses.normalize_cam`
            does: the scales of different networks cannot be compared. Defaults to
            True.
        size: (height, width) that maps are resized to before anything else,
            bilinearly; maps of different resolution need it. None leaves them as
            they are. Defaults to None.

    Returns:
        (B, H, W), float32.

    Raises:
        ValueError: for no maps, maps that are not (B, H, W) or differ in shape, that
            hold NaN or infinity, or an argument out of its range.

    Example:

    >>> maps = {"t1": np.array([[[0.0, 2.0]]]), "flair": np.array([[[1.0, 1.5]]])}
    >>> keras_condattn.models.fuse_maps(maps).round(2).tolist()
    [[[0.0, 1.0]]]

    Reference:
        The per-modality maps of Patel and Dolz, arXiv 2104.02488, whose release
        scores each modality on its own; to fuse them is ours.
    """
    if how not in HOW:
        raise ValueError(f"how must be one of {HOW}, got {how!r}")
    given = maps if isinstance(maps, Mapping) else dict(enumerate(maps))
    if not given:
        raise ValueError("maps must hold at least one map, got none")
    arrays = {name: _map(f"maps[{name!r}]", value) for name, value in given.items()}
    if size is not None:
        arrays = {name: _resized(array, size) for name, array in arrays.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"maps must have one shape (or be given a size), got {shapes}")
    if normalise:
        arrays = {name: _normalised(array) for name, array in arrays.items()}
    stack = np.stack(list(arrays.values()))
    return np.asarray(stack.mean(0) if how == "mean" else stack.max(0), "float32")


@export
def maps_to_masks(
    maps: ArrayLike, threshold: float, positive: ArrayLike | None = None
) -> NDArray[np.uint8]:
    """What exceeds a threshold in the images that are said to be positive.

    ```
    mask_b = positive_b and map_b > threshold
    ```

    A map that was normalised reaches 1 in every image, also where there is nothing
    to find: without `positive` such an image gets a mask all the same.

    Args:
        maps: (B, H, W), as `fuse_maps` returns them.
        threshold: above it is in the mask; see `choose_threshold`.
        positive: (B,), whether the classifier says that the class is there. None
            means everywhere. Defaults to None.

    Returns:
        (B, H, W), uint8, 0 or 1; the slices of a patient stacked are a volume as
        `metrics.volume_scores` takes it.

    Raises:
        ValueError: for maps that are not (B, H, W), or `positive` of another length
            or with other values than 0 and 1.

    Example:

    >>> maps = np.array([[[0.2, 0.9]], [[0.1, 0.8]]])
    >>> keras_condattn.models.maps_to_masks(maps, 0.5, [True, False]).tolist()
    [[[0, 1]], [[0, 0]]]
    """
    array = _map("maps", maps)
    if not is_number(threshold) or not np.isfinite(threshold):
        raise ValueError(f"threshold must be a finite number, got {threshold!r}")
    above = array > threshold
    if positive is not None:
        said = np.asarray(positive)
        if said.shape != array.shape[:1] or not np.isin(said, (0, 1)).all():
            raise ValueError(
                f"positive must be {array.shape[0]} values of 0 or 1, one an image, "
                f"got {said.tolist()}"
            )
        above &= said.astype(bool)[:, None, None]
    return above.astype("uint8")


@export
def choose_threshold(
    maps: Iterable[ArrayLike],
    masks: Iterable[ArrayLike],
    positive: Iterable[ArrayLike] | None = None,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
) -> tuple[float, dict[float, float]]:
    """The threshold with the best mean 3-D Dice over patients.

    ```
    Dice(t) = mean over patients of 2 |mask and pred_t| / (|mask| + |pred_t|)
    ```

    with `pred_t = maps_to_masks(maps, t, positive)` and all slices of a patient
    counted together; 1 where both are empty. Of equal ones the lowest. Give it
    validation patients alone: a threshold chosen on those that are tested flatters.

    Args:
        maps: of each patient, (slices, H, W).
        masks: of each patient, the truth, likewise; 0 or 1.
        positive: of each patient, (slices,), as in `maps_to_masks`. None means
            everywhere. Defaults to None.
        thresholds: those to try. Defaults to (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35,
            0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95).

    Returns:
        `(threshold, {threshold: mean Dice})`.

    Raises:
        ValueError: for no patients, lists that differ in length, a patient whose
            mask has another shape than its maps or holds other values than 0 and 1,
            or no thresholds.

    Example:

    >>> maps = [np.array([[[0.2, 0.6, 0.9]]])]
    >>> masks = [np.array([[[0, 1, 1]]])]
    >>> threshold, dice = keras_condattn.models.choose_threshold(maps, masks)
    >>> threshold, dice[threshold], round(dice[0.7], 2)
    (0.2, 1.0, 0.67)

    Reference:
        The released code of arXiv 2104.02488 reports 3-D Dice for each threshold
        from 0.2 to 0.8 and does not say which one its tables use.
    """
    patients, truths = list(maps), list(masks)
    said: list[Any] = [None] * len(patients) if positive is None else list(positive)
    if not patients or not len(patients) == len(truths) == len(said):
        raise ValueError(
            "maps, masks and positive must list the same patients, at least one, got "
            f"{len(patients)}, {len(truths)} and {len(said)}"
        )
    if np.ndim(thresholds) != 1 or not all(map(is_number, thresholds)):
        raise ValueError(f"thresholds must be numbers in a list, got {thresholds!r}")
    if not len(thresholds):
        raise ValueError("thresholds must hold at least one, got none")
    scores = [
        _dice(_map(f"maps[{i}]", m), np.asarray(t), p, thresholds, i)
        for i, (m, t, p) in enumerate(zip(patients, truths, said, strict=True))
    ]
    means = dict(zip(map(float, thresholds), np.mean(scores, 0).tolist(), strict=True))
    # Rounded, so that which of two equal means comes first is not up to the last bit.
    best = max(sorted(means), key=lambda t: round(means[t], 9))
    return best, means


def _dice(
    maps: Array, truth: NDArray[Any], positive: Any, thresholds: Sequence[float],
    patient: int,
) -> list[float]:  # fmt: skip
    if truth.shape != maps.shape or not np.isin(truth, (0, 1)).all():
        raise ValueError(
            f"masks[{patient}] must hold 0 and 1 in the shape of its maps, "
            f"{maps.shape}, got shape {truth.shape} with {np.unique(truth)[:5]}"
        )
    found = []
    for threshold in thresholds:
        pred = maps_to_masks(maps, threshold, positive)
        total = int(pred.sum()) + int(truth.sum())
        found.append(2 * int((pred & (truth > 0)).sum()) / total if total else 1.0)
    return found


def _map(name: str, value: ArrayLike) -> Array:
    array = np.asarray(value, "float32")
    if array.ndim != 3 or not array.size or not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite numbers (B, H, W), got shape {array.shape}"
        )
    return array


def _normalised(array: Array) -> Array:
    # Gradients of deep networks are smaller than what normalize_cam adds to a maximum.
    peak = array.max((1, 2), keepdims=True)
    known = array / np.where(peak > 0, peak, 1)
    scaled = normalize_cam(known[..., None], "channels_last")
    return np.asarray(ops.convert_to_numpy(scaled))[..., 0]


def _resized(array: Array, size: tuple[int, int]) -> Array:
    listed = list(size) if np.ndim(size) == 1 and not isinstance(size, str) else []
    whole = [isinstance(n, numbers.Integral) and int(n) > 0 for n in listed]
    if len(whole) != 2 or not all(whole) or any(isinstance(n, bool) for n in listed):
        raise ValueError(f"size must be (height, width) in pixels, got {size!r}")
    resized = ops.image.resize(
        array[..., None], tuple(map(int, listed)), interpolation="bilinear",
        data_format="channels_last",
    )  # fmt: skip
    return np.asarray(ops.convert_to_numpy(resized))[..., 0]
