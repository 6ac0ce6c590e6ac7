"""Bilinear upsampling by two that keeps the corners where they are."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._checks import check_data_format

StaticShape = tuple[int | None, ...]


@export
class AlignedUpsampling(keras.layers.Layer):
    """Doubles height and width, bilinearly, the corner pixels on the corner pixels.

    ```
    y_i = x at the place i (n - 1) / (2 n - 1),  i = 0 .. 2 n - 1,  along each axis
    ```

    PyTorch calls this `align_corners=True`. Keras's own bilinear upsampling aligns
    the outer edges of the corner pixels in place of their centres, which gives other
    numbers with the same weights.

    Args:
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: as for every Keras layer.

    Call arguments:
        features: (B, H, W, C), or (B, C, H, W) in channels_first.

    Returns:
        (B, 2 H, 2 W, C), or (B, C, 2 H, 2 W).

    Raises:
        ValueError: for an unknown `data_format`, or features that are no images.

    Example:

    >>> layer = keras_condattn.models.AlignedUpsampling(data_format="channels_last")
    >>> row = np.array([0.0, 3.0], "float32").reshape(1, 1, 2, 1)
    >>> [round(float(v)) for v in np.asarray(layer(row))[0, 0, :, 0]]
    [0, 1, 2, 3]

    Reference:
        The decoder of the U-Net that the scribble literature shares (WSL4MIS,
        AttenScribble) upsamples so.
    """

    def __init__(self, data_format: DataFormat | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)

    def call(self, features: Tensor) -> Tensor:
        down, right = self._axes()
        return _doubled(_doubled(features, down), right)

    def compute_output_shape(self, features_shape: StaticShape) -> StaticShape:
        if len(features_shape) != 4:
            raise ValueError(
                f"features must be images, with four axes, got shape {features_shape}"
            )
        shape = list(features_shape)
        for axis in self._axes():
            size = shape[axis]
            shape[axis] = None if size is None else 2 * size
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"data_format": self.data_format}

    def _axes(self) -> tuple[int, int]:
        return (2, 3) if self.data_format == "channels_first" else (1, 2)


def _doubled(x: Tensor, axis: int) -> Tensor:
    """Two neighbours a place, so slices and no gathering: quick backwards as well."""
    shape = tuple(ops.shape(x))
    size = shape[axis]
    at = ops.reshape(ops.arange(size), [-1 if i == axis else 1 for i in range(4)])
    share = ops.cast(at, "float32") / ops.cast(2 * size - 1, "float32")
    # Of the place before for even i, and of the place after for odd i.
    before = ops.cast(share, x.dtype)
    after = ops.cast(ops.flip(share, axis), x.dtype)

    def part(begin: int | None, end: int | None) -> Tensor:
        return x[tuple(slice(begin, end) if i == axis else slice(None)
                       for i in range(4))]  # fmt: skip

    earlier = ops.concatenate([part(None, 1), part(None, -1)], axis)
    later = ops.concatenate([part(1, None), part(-1, None)], axis)
    even = x + before * (earlier - x)
    odd = x + after * (later - x)
    both = ops.stack([even, odd], axis + 1)
    return ops.reshape(both, (*shape[:axis], 2 * size, *shape[axis + 1 :]))
