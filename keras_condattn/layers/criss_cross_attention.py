"""Criss-cross attention: every position reads its row and its column."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._features import FeatureLayer, bottleneck, check_count


@export
class CrissCrossAttention(FeatureLayer):
    """Criss-cross attention: adds what attention gathers from one's row and column.

    ```
    q = W_q x + b_q,  k = W_k x                C // reduction channels
    v = W_v x + b_v                            C channels
    z(n) = sum over m in cross(n) of softmax over m of (q(n) . k(m)) v(m)
    y = x + gamma z
    ```

    cross(n) is the row and the column of n, n itself counted once: H + W - 1
    positions, exactly. Attention takes N (H + W) entries of memory, never N x N. With
    three spatial axes the cross has three arms, D + H + W - 2 positions; with one it is
    the whole sequence.

    Args:
        reduction: queries and keys have C // reduction channels. Defaults to 8.
        recurrence: how often the layer is applied, with the same weights. After
            two applications every position has read every other. Defaults to 1.
        identity_start: start at `y = x`: gamma begins at zero, as released.
            Defaults to True.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, whose sizes may change from call to call.

    Returns:
        The features, of the shape and layout they came in.

    Raises:
        ValueError: for features of another rank or channel count, a `reduction` that
            is not a positive integer or exceeds the channels, or a `recurrence`
            that is not a positive integer.

    Example:

    >>> layer = keras_condattn.layers.CrissCrossAttention(data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)

    Reference:
        Huang, Wang, Huang, Huang, Wei and Liu, "CCNet: Criss-Cross Attention for
        Semantic Segmentation", ICCV 2019, arXiv 1811.11721, whose segmentation
        networks use `recurrence=2`. Ours: no bias on k, as the softmax does not see
        it; one and three spatial axes.
    """

    def __init__(
        self,
        reduction: int = 8,
        recurrence: int = 1,
        *,
        identity_start: bool = True,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.reduction = check_count("CrissCrossAttention", "reduction", reduction)
        self.recurrence = check_count("CrissCrossAttention", "recurrence", recurrence)
        self.identity_start = identity_start

    def _build(self, channels: int, axes: int) -> None:
        inner = bottleneck("CrissCrossAttention", channels, self.reduction)
        for name, units in (("query", inner), ("key", inner), ("value", channels)):
            dense = keras.layers.Dense(
                units, use_bias=name != "key", dtype=self.dtype_policy, name=name
            )
            dense.build((None,) * (axes + 1) + (channels,))
            setattr(self, name, dense)
        start = "zeros" if self.identity_start else "ones"
        self.gamma = self.add_weight((), start, name="gamma")

    def call(self, features: Tensor) -> Tensor:
        last = self._last(self._checked(features))
        gamma = ops.cast(self.gamma, self.compute_dtype)
        for _ in range(self.recurrence):
            last = last + gamma * self._gathered(last)
        return self._back(last)

    def _gathered(self, last: Tensor) -> Tensor:
        """z, (B, *S, C)."""
        axes = range(1, len(last.shape) - 1)
        query, key = self._precise(self.query(last)), self._precise(self.key(last))
        value = self.value(last)
        scores = ops.concatenate([self._arm(query, key, a) for a in axes], axis=-1)
        attention = ops.softmax(scores, axis=-1)
        gathered, start = ops.zeros_like(value), 0
        for axis in axes:
            length = ops.shape(last)[axis]
            arm = ops.cast(attention[..., start : start + length], self.compute_dtype)
            product = ops.matmul(
                ops.moveaxis(arm, axis, -2), ops.moveaxis(value, axis, -2)
            )
            gathered = gathered + ops.moveaxis(product, -2, axis)
            start = start + length
        return gathered

    def _arm(self, query: Tensor, key: Tensor, axis: int) -> Tensor:
        """(B, *S, L): what each position scores against those along one axis."""
        query, key = ops.moveaxis(query, axis, -2), ops.moveaxis(key, axis, -2)
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
        if axis > 1:  # one's own position counts along the first axis already
            index = ops.arange(ops.shape(scores)[-1])
            own = index[:, None] == index[None]
            scores = ops.where(own, float("-inf"), scores)
        return ops.moveaxis(scores, -2, axis)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "recurrence": self.recurrence,
            "identity_start": self.identity_start,
        }
