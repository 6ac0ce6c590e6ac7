"""What layers from features to features share: ACM and those it is compared with."""

from typing import Any

import keras
from keras import ops

from keras_condattn._types import DataFormat, Shape, Tensor
from keras_condattn.layers._checks import check_data_format


class FeatureLayer(keras.layers.Layer):
    """A layer (B, *S, C) -> (B, *S, C) with one to three spatial axes.

    Softmaxes, sums over positions and the small networks on vectors run in
    `precision`, at least float32; what touches every feature runs in the compute
    precision.
    """

    def __init__(self, data_format: DataFormat | None = None, **kwargs: Any) -> None:
        # Without this, Keras would round float32 features before we see them.
        super().__init__(autocast=False, **kwargs)
        self.data_format = check_data_format(data_format)

    @property
    def channel_axis(self) -> int:
        """Where the channels are: 1 or -1."""
        return 1 if self.data_format == "channels_first" else -1

    @property
    def precision(self) -> str:
        """The dtype of sums: float32, or float64 where that is computed in."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    def build(self, features_shape: Shape) -> None:
        self._check_shape(features_shape)
        channels = features_shape[self.channel_axis]
        if channels is None:
            raise ValueError(
                f"{type(self).__name__}: features need a known number of channels, "
                f"got shape {tuple(features_shape)}"
            )
        self.channels = channels
        self._build(channels, len(features_shape) - 2)

    def _build(self, channels: int, axes: int) -> None:
        raise NotImplementedError

    def _dense(
        self, name: str, units: int, inputs: int, **kwargs: Any
    ) -> keras.layers.Dense:
        """A layer of a small network on vectors."""
        dense = keras.layers.Dense(units, name=name, dtype=self.precision, **kwargs)
        dense.build((None, inputs))
        return dense

    def _variable(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        """A weight that mixed precision leaves as it is."""
        return self.add_weight(shape, initializer, name=name, autocast=False)

    def _checked(self, features: Tensor) -> Tensor:
        """The features in compute precision, once their shape is seen to fit."""
        self._check_shape(features.shape)
        return ops.cast(features, self.compute_dtype)

    def _precise(self, tensor: Tensor) -> Tensor:
        return ops.cast(tensor, self.precision)

    def _spatial(self, features: Tensor) -> tuple[int, ...]:
        """The indices of the spatial axes."""
        first = 2 if self.channel_axis == 1 else 1
        return tuple(range(first, first + len(features.shape) - 2))

    def _sequence(self, features: Tensor) -> Tensor:
        """(B, N, C): the positions in a row, whatever the layout."""
        batch = ops.shape(features)[0]
        if self.channel_axis == 1:
            return ops.swapaxes(ops.reshape(features, (batch, self.channels, -1)), 1, 2)
        return ops.reshape(features, (batch, -1, self.channels))

    def _like(self, sequence: Tensor, features: Tensor) -> Tensor:
        """(B, N, D) laid out as the features are, with D channels."""
        if self.channel_axis == 1:
            sequence = ops.swapaxes(sequence, 1, 2)
        shape = list(ops.shape(features))
        shape[self.channel_axis] = sequence.shape[self.channel_axis]
        return ops.reshape(sequence, shape)

    def _last(self, features: Tensor) -> Tensor:
        """(B, *S, C), whatever the layout."""
        return ops.moveaxis(features, self.channel_axis, -1)

    def _back(self, features: Tensor) -> Tensor:
        """The reverse of `_last`."""
        return ops.moveaxis(features, -1, self.channel_axis)

    def _per_channel(self, vector: Tensor, features: Tensor) -> Tensor:
        """A value for each channel, shaped to act on the features."""
        shape = [1] * len(features.shape)
        shape[0], shape[self.channel_axis] = -1, self.channels
        return ops.cast(ops.reshape(vector, shape), self.compute_dtype)

    def _check_shape(self, shape: Shape) -> None:
        name = type(self).__name__
        if not 3 <= len(shape) <= 5:
            layout = "(B, C, *S)" if self.channel_axis == 1 else "(B, *S, C)"
            raise ValueError(
                f"{name}: features must have shape {layout} with 1, 2 or 3 spatial "
                f"axes ({self.data_format}), got shape {tuple(shape)}"
            )
        got = shape[self.channel_axis]
        if self.built and got is not None and got != self.channels:
            raise ValueError(
                f"{name}: features must have {self.channels} channels, as when the "
                f"layer was built, got {got} ({self.data_format})"
            )

    def compute_output_shape(self, features_shape: Shape) -> Any:
        self._check_shape(features_shape)
        return tuple(features_shape)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"data_format": self.data_format}


def check_count(layer: str, argument: str, value: Any) -> int:
    """`value`, or a ValueError unless it is a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{layer}: {argument} must be a positive integer, got {value!r}"
        )
    return value


def bottleneck(layer: str, channels: int, reduction: int) -> int:
    """channels // reduction, or a ValueError where nothing would be left."""
    if reduction > channels:
        raise ValueError(
            f"{layer}: reduction must leave at least one of the {channels} channels, "
            f"got {reduction}; at most {channels} would do"
        )
    return channels // reduction
