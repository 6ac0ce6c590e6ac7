"""What FiLM, GuidingBlock and INSIDE share: two inputs and a small network."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._checks import check_data_format, check_finite


class Conditioned(keras.layers.Layer):
    """A layer that reads a conditioning vector beside its features.

    The vector passes two `tanh` layers of `hidden_units` and one or more linear
    heads; subclasses say how long a head is and what to do with it. This small
    network runs in the variables' precision whatever the compute precision is:
    it costs nothing, and a position rounded to bfloat16 is off by whole pixels.
    """

    def __init__(
        self,
        hidden_units: int | None = None,
        identity_start: bool = False,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        # Without this, Keras would round the vector to the compute precision.
        super().__init__(autocast=False, **kwargs)
        if hidden_units is not None and (
            not isinstance(hidden_units, int) or hidden_units < 1
        ):
            raise ValueError(
                "hidden_units must be a positive integer, or None for half the "
                f"channels, got {hidden_units!r}"
            )
        self.hidden_units = hidden_units
        self.identity_start = identity_start
        self.data_format = check_data_format(data_format)

    @property
    def channel_axis(self) -> int:
        """Where the channels are: 1 or -1."""
        return 1 if self.data_format == "channels_first" else -1

    def spatial(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The spatial part of a feature shape."""
        return tuple(shape[2:] if self.channel_axis == 1 else shape[1:-1])

    def build(
        self,
        features_shape: tuple[int | None, ...],
        conditioning_shape: tuple[int | None, ...],
    ) -> None:
        self._check_shapes(features_shape, conditioning_shape)
        channels = features_shape[self.channel_axis]
        size = conditioning_shape[-1]
        if channels is None or size is None:
            raise ValueError(
                "features and conditioning need a known last size (channels, "
                f"vector length), got shapes {features_shape} and {conditioning_shape}"
            )
        self.channels, self.conditioning_size = channels, size
        hidden = self.hidden_units or max(channels // 2, 1)
        for name, length in (("fc_1", size), ("fc_2", hidden)):
            setattr(self, name, self._dense(name, hidden, length, activation="tanh"))
        self._build_heads(hidden, self.spatial(features_shape))

    def _build_heads(self, hidden: int, spatial: tuple[int | None, ...]) -> None:
        raise NotImplementedError

    def _dense(
        self, name: str, units: int, inputs: int, **kwargs: Any
    ) -> keras.layers.Dense:
        dense = keras.layers.Dense(
            units, name=name, dtype=self.dtype_policy.variable_dtype, **kwargs
        )
        dense.build((None, inputs))
        return dense

    def _head(
        self, name: str, units: int, hidden: int, start: np.ndarray | None = None
    ) -> keras.layers.Dense:
        """A linear head; `identity_start` gives it zero kernel and `start` as bias."""
        if not self.identity_start:
            return self._dense(name, units, hidden)
        dense = self._dense(name, units, hidden, kernel_initializer="zeros")
        if start is not None:
            dense.bias.assign(start)
        return dense

    def _hidden(self, conditioning: Tensor) -> Tensor:
        """(B, Z) -> (B, hidden), after checking the vector where it can be."""
        check_finite("conditioning", conditioning)
        conditioning = ops.cast(conditioning, self.dtype_policy.variable_dtype)
        return self.fc_2(self.fc_1(conditioning))

    def _broadcast(self, vector: Tensor, features: Tensor) -> Tensor:
        """(B, C) -> (B, 1, ..., C) or (B, C, 1, ...), in the vector's precision."""
        ones = (1,) * (len(features.shape) - 2)
        last = (-1, *ones, self.channels)
        shape = (-1, self.channels, *ones) if self.channel_axis == 1 else last
        return ops.reshape(vector, shape)

    def _per_channel(self, vector: Tensor, features: Tensor) -> Tensor:
        """`_broadcast`, in the compute precision of the features."""
        return ops.cast(self._broadcast(vector, features), self.compute_dtype)

    def _checked(self, features: Tensor, conditioning: Tensor) -> Tensor:
        """The features in compute precision, once both inputs are seen to fit."""
        self._check_shapes(features.shape, conditioning.shape)
        return ops.cast(features, self.compute_dtype)

    def _check_shapes(
        self, features: tuple[int | None, ...], conditioning: tuple[int | None, ...]
    ) -> None:
        name = self.__class__.__name__
        layout = "(B, C, *S)" if self.channel_axis == 1 else "(B, *S, C)"
        if not 3 <= len(features) <= 5:
            raise ValueError(
                f"{name}: features must have shape {layout} with 1, 2 or 3 spatial "
                f"axes ({self.data_format}), got shape {tuple(features)}"
            )
        if len(conditioning) != 2:
            raise ValueError(
                f"{name}: conditioning must have shape (B, Z), one vector an image, "
                f"got shape {tuple(conditioning)}"
            )
        if (
            None not in (features[0], conditioning[0])
            and features[0] != conditioning[0]
        ):
            raise ValueError(
                f"{name}: conditioning must hold one vector for each of the "
                f"{features[0]} images in features, got {conditioning[0]} vectors"
            )
        if not self.built:
            return
        for argument, got, expected, what in (
            ("features", features[self.channel_axis], self.channels, "channels"),
            ("conditioning", conditioning[-1], self.conditioning_size, "values"),
        ):
            if got is not None and got != expected:
                raise ValueError(
                    f"{name}: {argument} must have {expected} {what}, as when the "
                    f"layer was built, got {got} ({self.data_format})"
                )

    def compute_output_shape(
        self,
        features_shape: tuple[int | None, ...],
        conditioning_shape: tuple[int | None, ...],
    ) -> Any:
        self._check_shapes(features_shape, conditioning_shape)
        return tuple(features_shape)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {
            "hidden_units": self.hidden_units,
            "identity_start": self.identity_start,
            "data_format": self.data_format,
        }
