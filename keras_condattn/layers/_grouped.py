"""Attended means of groups of channels, with one product for their gradient."""

from typing import Any

from keras import ops

from keras_condattn._gradient import with_gradient
from keras_condattn._types import Tensor


def attended_means(
    features: Tensor, kernel: Tensor, channels_last: bool, training: bool = True
) -> Tensor:
    """For each group, the mean by each softmax map, and last the plain mean.

    ```
    a_m = softmax over n of kernel_m . x(n)
    out_m = sum_n a_m(n) x(n),  out_M = mean_n x(n)
    ```

    The gradient is written out, because a framework's own adds up two maps as large as
    the features, one from the logits and one from the sums; here both come out of one
    product, and in the layout that the features had. Only in `training`: exporters
    (ONNX from torch) read plain operations, not a gradient of our own.

    Args:
        features: (B, N, C), or (B, C, N) unless `channels_last`, float32 or float64.
        kernel: (G, M, C/G), of the same dtype.
        channels_last: which of the two.
        training: whether to write the gradient out. Defaults to True.

    Returns:
        (B, G, M + 1, C/G).
    """
    groups = kernel.shape[0]

    def forward(features: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        # (B, G, C/G, N), and the same with the positions first.
        grouped, rows = _in_groups(features, groups, channels_last)
        batch = ops.shape(features)[0]
        kernels = ops.broadcast_to(kernel[None], (batch, *kernel.shape))
        attention = ops.softmax(ops.matmul(kernels, grouped), axis=-1)
        weights = _with_even(attention)
        found = ops.matmul(weights, rows)
        return ops.copy(found), (grouped, rows, kernels, attention, weights, found)

    def backward(kept: Any, above: Tensor) -> tuple[Tensor, Tensor]:
        grouped, rows, kernels, attention, weights, found = kept
        to_maps = above[:, :, :-1]
        drift = ops.sum(to_maps * found[:, :, :-1], axis=-1, keepdims=True)
        slope = attention * (ops.matmul(to_maps, grouped) - drift)
        left = ops.concatenate([above, kernels], axis=2)
        right = ops.concatenate([weights, slope], axis=2)
        back = ops.matmul(ops.swapaxes(left, 2, 3), right)
        to_kernel = ops.sum(ops.matmul(slope, rows), axis=0)
        return _out_of_groups(back, channels_last), to_kernel

    if training:
        return with_gradient(forward, backward)(features, kernel)
    return forward(features, kernel)[0]


def maps(features: Tensor, kernel: Tensor, channels_last: bool) -> Tensor:
    """The softmax maps themselves, (B, G, M, N), of the same arguments."""
    grouped, _ = _in_groups(features, kernel.shape[0], channels_last)
    return ops.softmax(ops.matmul(kernel, grouped), axis=-1)


def _with_even(attention: Tensor) -> Tensor:
    """The maps, and one that is the same everywhere."""
    even = ops.ones_like(attention[:, :, :1])
    even = even / ops.cast(ops.shape(attention)[-1], attention.dtype)
    return ops.concatenate([attention, even], axis=2)


def _in_groups(
    features: Tensor, groups: int, channels_last: bool
) -> tuple[Tensor, Tensor]:
    """(B, G, C/G, N) and (B, G, N, C/G), which share their memory."""
    shape = ops.shape(features)
    if not channels_last:
        grouped = ops.reshape(features, (shape[0], groups, -1, shape[2]))
        return grouped, ops.swapaxes(grouped, 2, 3)
    width = features.shape[2] // groups
    rows = ops.reshape(features, (shape[0], shape[1], groups, width))
    # Copied once, as whole runs of a group's channels, several times faster than as
    # single numbers; torch would else copy before every product. Joining batch and
    # group is what makes it copy.
    rows = ops.reshape(ops.swapaxes(rows, 1, 2), (-1, shape[1], width))
    rows = ops.reshape(rows, (shape[0], groups, shape[1], width))
    return ops.swapaxes(rows, 2, 3), rows


def _out_of_groups(grouped: Tensor, channels_last: bool) -> Tensor:
    """(B, G, C/G, N) as the features were laid out."""
    shape = ops.shape(grouped)
    back = ops.reshape(grouped, (shape[0], -1, shape[3]))
    return ops.swapaxes(back, 1, 2) if channels_last else back
