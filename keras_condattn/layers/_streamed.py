"""Attention over all pixels, a block of queries at a time, in both directions."""

from typing import Any

from keras import ops

from keras_condattn._gradient import with_gradient
from keras_condattn._loop import serial_loop
from keras_condattn._types import Tensor

# Queries at a time: so few that a block of 64 x 64 pixels stays in the caches.
BLOCK = 128


def attend(
    q: Tensor, k: Tensor, v: Tensor, scale: float, other: float = 1.0
) -> tuple[Tensor, Tensor]:
    """softmax(scale q k^T) v, and the log-sum-exp of the logits other q k^T.

    Exact, with exact gradients; no more than a block of rows of the (N, N) logits
    lives at any time, and the backward pass computes them again.

    Args:
        q: (B, N, D), float32.
        k: (B, N, D).
        v: (B, N, E).
        scale: of the logits of the first result.
        other: of those of the second. Defaults to 1.0.

    Returns:
        (B, N, E) and (B, N).
    """

    # The second logits are the ones computed; the first are `ratio` times those.
    ratio = scale / other

    def forward(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Any]:
        q = q if other == 1 else other * q
        out, first, second = _forward(q, k, v, ratio)
        # One result, because Keras' custom gradients on torch know no more.
        both = ops.concatenate([out, second[..., None]], axis=-1)
        return both, (q, k, v, out, first, second)

    def backward(kept: Any, above: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        to_q, to_k, to_v = _backward(kept, above, ratio)
        return (to_q if other == 1 else other * to_q), to_k, to_v

    both = with_gradient(forward, backward)(q, k, v)
    return both[..., :-1], both[..., -1]


def _forward(q: Tensor, k: Tensor, v: Tensor, ratio: float) -> tuple[Tensor, ...]:
    """softmax(ratio q k^T) v, and the log-sum-exps of ratio q k^T and of q k^T."""
    blocks, count = _blocks(q)
    keys = ops.swapaxes(k, 1, 2)

    def body(i: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        logits = ops.matmul(blocks[i], keys)
        top = ops.max(logits, axis=-1, keepdims=True)
        logits = logits - top
        powers = ops.exp(logits)
        total = ops.sum(powers, axis=-1, keepdims=True)
        second = first = top + ops.log(total)
        if ratio != 1:
            powers = ops.exp(ratio * logits)
            total = ops.sum(powers, axis=-1, keepdims=True)
            first = ratio * top + ops.log(total)
        found = ops.matmul(powers, v) / total
        parts = found, first[..., 0], second[..., 0]
        return tuple(
            ops.slice_update(whole, (i, *[0] * (len(whole.shape) - 1)), part[None])
            for whole, part in zip(state, parts, strict=True)
        )

    shape = ops.shape(blocks)
    start = (
        ops.zeros((*shape[:3], v.shape[-1]), "float32"),
        ops.zeros(shape[:3], "float32"),
        ops.zeros(shape[:3], "float32"),
    )
    state = serial_loop(count, body, start)
    return tuple(_joined(whole, q) for whole in state)


def _backward(
    kept: tuple[Tensor, ...], above: Tensor, ratio: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Every pass over a block counts here, so factors go to what has N entries."""
    q, k, v, out, first, second = kept
    to_out, to_second = above[..., :-1], above[..., -1:]
    drift = ratio * ops.sum(to_out * out, axis=-1, keepdims=True)
    rows = [first[..., None], second[..., None], to_out, to_second, drift]
    (blocks, count), others = _blocks(q), [_blocks(row)[0] for row in rows]
    keys, values = ops.swapaxes(k, 1, 2), ops.swapaxes(v, 1, 2)

    def body(i: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        to_q, to_k, to_v = state
        z1, z2, d_out, d_second, d_drift = (other[i] for other in others)
        logits = ops.matmul(blocks[i], keys)
        if ratio == 1:
            share = ops.exp(logits - z1)
            slope = share * (ops.matmul(d_out, values) + (d_second - d_drift))
        else:
            share = ops.exp(ratio * logits - z1)
            slope = share * (ops.matmul(ratio * d_out, values) - d_drift)
            slope = slope + ops.exp(logits - z2) * d_second
        to_k = to_k + ops.matmul(ops.swapaxes(slope, 1, 2), blocks[i])
        to_v = to_v + ops.matmul(ops.swapaxes(share, 1, 2), d_out)
        part = ops.matmul(slope, k)[None]
        return ops.slice_update(to_q, (i, 0, 0, 0), part), to_k, to_v

    start = (ops.zeros_like(blocks), ops.zeros_like(k), ops.zeros_like(v))
    to_q, to_k, to_v = serial_loop(count, body, start)
    return _joined(to_q, q), to_k, to_v


def _blocks(x: Tensor) -> tuple[Tensor, Any]:
    """(B, N, D) as (blocks, B, BLOCK, D), zeros after the end; and how many."""
    shape = ops.shape(x)
    count = -(-shape[1] // BLOCK)
    x = ops.pad(x, [(0, 0), (0, count * BLOCK - shape[1]), (0, 0)])
    x = ops.reshape(x, (shape[0], count, BLOCK, shape[2]))
    return ops.swapaxes(x, 0, 1), count


def _joined(x: Tensor, like: Tensor) -> Tensor:
    """The reverse of `_blocks`, for (blocks, B, BLOCK) or (blocks, B, BLOCK, D)."""
    shape = ops.shape(x)
    rest = tuple(shape[3:])
    x = ops.reshape(ops.swapaxes(x, 0, 1), (shape[1], shape[0] * shape[2], *rest))
    return x[:, : ops.shape(like)[1]]
