"""Maps of evidence from the gradients of any class score: Grad-CAM, Grad-CAM++."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_condattn._export import export
from keras_condattn._types import DataFormat
from keras_condattn.models._arrays import arrays_like
from keras_condattn.models._named import ends
from keras_condattn.models._probe import Gradients

Array = NDArray[np.float32]
# (activation, gradient), both (B, *S, C) -> weights (B, C)
Weigh = Callable[[Array, Array], Array]


@export
def grad_cam(
    model: keras.Model,
    images: Any,
    layer: str,
    *,
    classes: int | Sequence[int] | None = None,
    output: str | None = None,
    batch_size: int = 32,
    data_format: DataFormat | None = None,
) -> Array:
    """Where a layer's activation speaks for a class, by the score's gradient.

    ```
    w_c = mean over positions i of dscore / dA_ic
    map_i = ReLU(sum_c w_c A_ic)
    ```

    for the activation A of the layer and each class score. Of a network whose score
    is linear in the mean of A this is its class activation map, up to a factor.

    The model is left as it is: what is differentiated is a copy of it (so the memory
    for its weights is needed twice), in inference mode, in all layers. Any backend.

    Args:
        model: a functional or built `Sequential` model that gives class scores
            (B, K), best logits: behind a softmax gradients die where it is sure.
        images: what the model takes: an array, or its dict or list of arrays.
        layer: the name of the layer; of one in a model within the model, the path
            (`"t1_network/decoder_s1_2_relu"`) or the name where only one layer has it.
            It must put out (B, *S, C) with one to three spatial axes S.
        classes: class number, or several. None means all K. Defaults to None.
        output: where the model has several outputs, which one holds the scores: its
            key or place, or the path of both (`"t1/logits"`). None means the only
            one of shape (B, K). Defaults to None.
        batch_size: images at once. Defaults to 32.
        data_format: of the layer's output. None means the layer's own, or, where it
            has none, the one that all layers of the model agree in. Defaults to None.

    Returns:
        (B, *S, classes), float32, channels last in either data format, at the
        layer's resolution, 0 or more, not normalised (`losses.normalize_cam`).

    Raises:
        TypeError: for a subclassed model, which has no graph of layers.
        ValueError: for a layer that is not there (names that come close are given),
            that is called more than once, does not reach the score or has no spatial
            axes; scores that cannot be found; images that do not fit the model; or
            an argument out of its range.

    Example:

    >>> model = keras_condattn.models.cam_network(
    ...     (16, 24, 1), filters=2, data_format="channels_last"
    ... )
    >>> images = np.random.default_rng(0).random((2, 16, 24, 1))
    >>> keras_condattn.models.grad_cam(model, images, "bottleneck_2_norm").shape
    (2, 2, 3, 2)

    Reference:
        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
        Gradient-based Localization", ICCV 2017 (arXiv 1610.02391).
    """
    weigh = _mean_gradient
    return _maps(model, images, layer, classes, output, batch_size, data_format, weigh)


@export
def grad_cam_plus_plus(
    model: keras.Model,
    images: Any,
    layer: str,
    *,
    classes: int | Sequence[int] | None = None,
    output: str | None = None,
    batch_size: int = 32,
    data_format: DataFormat | None = None,
) -> Array:
    """Grad-CAM with weights that let several instances of a class all be seen.

    ```
    g_ic     = dscore / dA_ic
    alpha_ic = g_ic^2 / (2 g_ic^2 + g_ic^3 sum_j A_jc),    0 where g_ic is 0
    w_c      = sum over positions i of alpha_ic ReLU(g_ic)
    map_i    = ReLU(sum_c w_c A_ic)
    ```

    This is the closed form for the exponential of the score, exp(score), of which
    the higher derivatives are powers of g. Its factor exp(score) is the same at all
    positions and is left out: maps differ from the paper's by it, before any
    normalisation. Where the activation sums to less than 0 the denominator may not be
    above 0; alpha is 0 there.

    See `grad_cam`, which also says what is done to the model (nothing).

    Args:
        model: a functional or built `Sequential` model that gives class scores
            (B, K), best logits.
        images: what the model takes: an array, or its dict or list of arrays.
        layer: the name or path of the layer, which puts out (B, *S, C).
        classes: class number, or several. None means all K. Defaults to None.
        output: which of several outputs holds the scores. None means the only one
            of shape (B, K). Defaults to None.
        batch_size: images at once. Defaults to 32.
        data_format: of the layer's output. None means the layer's own, or, where it
            has none, the one that all layers of the model agree in. Defaults to None.

    Returns:
        (B, *S, classes), float32, channels last in either data format, at the
        layer's resolution, 0 or more, not normalised.

    Raises:
        TypeError: as `grad_cam`.
        ValueError: as `grad_cam`.

    Example:

    >>> model = keras_condattn.models.cam_network(
    ...     (16, 16, 1), filters=2, data_format="channels_last"
    ... )
    >>> images = np.random.default_rng(0).random((1, 16, 16, 1))
    >>> maps = keras_condattn.models.grad_cam_plus_plus(
    ...     model, images, "backbone_relu", classes=1
    ... )
    >>> maps.shape, bool((maps >= 0).all())
    ((1, 16, 16, 1), True)

    Reference:
        Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual
        Explanations for Deep Convolutional Networks", WACV 2018 (arXiv 1710.11063).
    """
    weigh = _alpha_gradient
    return _maps(model, images, layer, classes, output, batch_size, data_format, weigh)


def _maps(
    model: Any, images: Any, layer: str, classes: Any, output: str | None,
    batch_size: int, data_format: str | None, weigh: Weigh,
) -> Array:  # fmt: skip
    _check(batch_size, data_format)
    gradients = Gradients(model, layer, output, data_format)
    numbers = _numbers(classes, gradients.classes)
    arrays = arrays_like(images, ends(model)[0])
    count = len(keras.tree.flatten(arrays)[0])
    size = min(batch_size, count)
    found = []
    for begin in range(0, count, size):
        # The probe has one shape: a last batch is filled up with its last image.
        rows = np.arange(begin, begin + size).clip(None, count - 1)
        batch = keras.tree.map_structure(lambda x, rows=rows: x[rows], arrays)
        if begin == 0:
            gradients.begin(batch)
        maps = [_map(a, g, weigh) for a, g in gradients.of(batch, numbers)]
        found.append(np.stack(maps, -1)[: count - begin])
    return np.concatenate(found)


def _map(activation: Array, gradient: Array, weigh: Weigh) -> Array:
    weights = weigh(activation, gradient)
    total = np.einsum("b...c,bc->b...", activation, weights)
    return np.asarray(total.clip(0), "float32")


def _mean_gradient(activation: Array, gradient: Array) -> Array:
    return np.asarray(gradient.mean(_positions(gradient)))


def _alpha_gradient(activation: Array, gradient: Array) -> Array:
    g = gradient.astype("float64")
    axes = _positions(g)
    total = activation.astype("float64").sum(axes, keepdims=True)
    # alpha = 1 / (2 + g sum A) wherever g is not 0, which keeps g^3 from underflow.
    denominator = 2 + g * total
    alpha = np.divide(1, denominator, out=np.zeros_like(g), where=denominator > 0)
    return np.asarray((alpha * g.clip(0)).sum(axes))


def _positions(array: Array) -> tuple[int, ...]:
    return tuple(range(1, array.ndim - 1))


def _numbers(classes: Any, count: int) -> list[int]:
    if classes is None:
        return list(range(count))
    listed = list(classes) if isinstance(classes, list | tuple) else [classes]
    whole = all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and 0 <= n < count
        for n in listed
    )
    if not listed or not whole:
        raise ValueError(
            f"classes must be class numbers from 0 to {count - 1}, or None, got "
            f"{classes!r}"
        )
    return [int(n) for n in listed]


def _check(batch_size: Any, data_format: Any) -> None:
    whole = isinstance(batch_size, int) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ValueError(
            f"batch_size must be a positive whole number, got {batch_size!r}"
        )
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            "data_format must be 'channels_last', 'channels_first' or None, got "
            f"{data_format!r}"
        )
