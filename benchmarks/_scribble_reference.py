"""AttenScribble as it is usually written, to measure ours against.

Attention and similarity between all pairs of pixels, (B, N, N); the CRF on copies of
the image, one for each place of the window. The same weights, the same numbers.
"""

import importlib
from unittest import mock

import numpy as np
from keras import ops

from keras_condattn._window import closeness, offsets
from keras_condattn.layers import AttentiveSimilarity
from keras_condattn.losses import ScribbleLoss
from keras_condattn.losses._checks import as_channels_last, probabilities_of
from keras_condattn.losses._known import single_class


class DenseSimilarity(AttentiveSimilarity):
    """The block with K of every pair of pixels, (B, N, N); one head."""

    def _attend(self, x):
        size, channels = ops.shape(x), x.shape[-1]
        flat = (size[0], size[1] * size[2], channels)
        pair = ops.split(self.key_value(x), 2, axis=-1)
        q, k, v = (ops.reshape(part, flat) for part in (self.query(x), *pair))
        logits = ops.matmul(q, ops.swapaxes(k, 1, 2))
        out = ops.matmul(ops.softmax(logits * channels**-0.5, axis=-1), v)
        share = ops.softmax(logits, axis=-1)
        both = share + ops.swapaxes(share, 1, 2)
        weight, bias = (
            ops.convert_to_tensor(v)
            for v in (self.similarity_weight, self.similarity_bias)
        )
        return ops.reshape(out, size), ops.sigmoid(weight * both + bias)

    def compute_output_shape(self, features_shape):
        features, windows = super().compute_output_shape(features_shape)
        pixels = None if None in windows[1:3] else windows[1] * windows[2]
        return features, (windows[0], pixels, pixels)


class DenseLoss(ScribbleLoss):
    """`ScribbleLoss` with its two windowed terms in the usual form."""

    def _crf(self, scribble, image, y_pred):
        return unfolded_crf(
            probabilities_of(y_pred, self.from_logits, self.data_format), image,
            ops.equal(scribble, self.ignore_class), radius=self.radius,
            sigma_xy=self.sigma_xy, sigma_image=self.sigma_image,
        )  # fmt: skip

    def _similarity(self, scribble, similarity, y_pred, classes):
        return dense_similarity(
            probabilities_of(y_pred, self.from_logits, self.data_format), similarity,
            radius=self.similarity_radius, sigma_xy=self.sigma_xy,
            single_class=single_class(scribble, classes, self.ignore_class),
        )  # fmt: skip


def unfolded_crf(
    probabilities, image, unlabelled, *, radius=5, sigma_xy=6.0, sigma_image=0.1
):
    """`gated_crf` on (B, H, W, places, C) copies."""
    p = as_channels_last("probabilities", probabilities, None)
    x = as_channels_last("image", image, None)
    near = ops.convert_to_tensor(closeness(radius, sigma_xy), "float32")
    inside = unfolded(ops.ones_like(x[..., :1]), radius)[..., 0]
    apart = ops.sum(ops.square(x[..., None, :] - unfolded(x, radius)), axis=-1)
    kernel = near * inside * ops.exp(-0.5 * apart / sigma_image**2)
    agree = ops.sum(p[..., None, :] * unfolded(p, radius), axis=-1)
    mask = ops.cast(unlabelled, "float32")
    total = ops.sum(mask[..., None] * kernel * (1.0 - agree))
    return total / ops.maximum(ops.sum(mask), 1.0)


def unfolded(x, radius):
    """(B, H, W, places, C): what stands at each place of each pixel's window."""
    height, width = x.shape[1:3]
    x = ops.pad(x, [(0, 0), (radius, radius), (radius, radius), (0, 0)])
    shifts = (offsets(radius) + radius).tolist()
    copies = [x[:, v : v + height, u : u + width] for v, u in shifts]
    return ops.stack(copies, axis=3)


def dense_similarity(
    probabilities, similarity, *, radius=5, sigma_xy=6.0, single_class=None
):
    """`attentive_similarity` with K of all pairs, (B, N, N)."""
    p = as_channels_last("probabilities", probabilities, None)
    side = round(similarity.shape[1] ** 0.5)
    p = ops.image.resize(p, (side, side), "bilinear", data_format="channels_last")
    p = ops.reshape(p, (p.shape[0] or -1, side * side, p.shape[-1]))
    unlike = 1.0 - ops.matmul(p, ops.swapaxes(p, 1, 2))
    near = ops.convert_to_tensor(all_pairs(side, radius, sigma_xy), "float32")
    if single_class is not None:
        counted = 1.0 - ops.cast(single_class, "float32")
        similarity = similarity * counted[:, None, None]
    total = ops.sum(similarity * near * unlike)
    return total / ops.cast(ops.shape(p)[0] * ops.shape(p)[1], "float32")


def all_pairs(side, radius, sigma):
    """G of every pair of pixels of a square, (N, N)."""
    steps = np.arange(side, dtype="float32")
    apart = np.abs(steps[:, None] - steps)
    along = np.where(apart <= radius, np.exp(-(apart**2) / (2 * sigma**2)), 0.0)
    both = np.kron(along, along).astype("float32")
    np.fill_diagonal(both, 0.0)
    return both


def products(q, k, v, pull, rows=1024):
    """The seven products of all pairs that exact attention and its gradients need.

    Logits and result forward; logits again, the slopes of the shares, of v, q and k
    backward. A block of rows at a time, and no softmax: what is left is less than any
    exact form can do with.
    """
    slopes_q, slopes_k, slopes_v, results = [], 0.0, 0.0, []
    for begin in range(0, q.shape[1], rows):
        mine, back = (a[:, begin : begin + rows] for a in (q, pull))
        share = ops.matmul(mine, ops.swapaxes(k, 1, 2))
        results.append(ops.matmul(share, v))
        # Not of the same factors, or a compiler would do it once.
        share = ops.matmul(back, ops.swapaxes(k, 1, 2))
        slope = ops.matmul(back, ops.swapaxes(v, 1, 2))
        slopes_v = slopes_v + ops.matmul(ops.swapaxes(share, 1, 2), back)
        slopes_q.append(ops.matmul(slope, k))
        slopes_k = slopes_k + ops.matmul(ops.swapaxes(slope, 1, 2), mine)
    whole = [ops.concatenate(parts, axis=1) for parts in (results, slopes_q)]
    return [*whole, slopes_k, slopes_v]


def windowed(similarity, side, radius):
    """(B, N, N) as `AttentiveSimilarity` emits it, an entry after another."""
    found = np.zeros((len(similarity), side, side, (2 * radius + 1) ** 2), "float32")
    for place, (dy, dx) in enumerate(offsets(radius).tolist()):
        for y, x in np.ndindex(side, side):
            if 0 <= y + dy < side and 0 <= x + dx < side and (dy or dx):
                other = (y + dy) * side + x + dx
                found[:, y, x, place] = similarity[:, y * side + x, other]
    return found


def dense_network(make):
    """What `make()` builds, with the dense block in place of ours."""
    room = importlib.import_module("keras_condattn.models.scribble_unet")
    with mock.patch.object(room, "AttentiveSimilarity", DenseSimilarity):
        network = make()
    network._check_loss = lambda: None  # it gives K of all pairs, not of a window
    return network
