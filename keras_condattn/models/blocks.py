"""Convolution blocks for one, two or three spatial axes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras

from keras_condattn._types import Tensor

Normalization: TypeAlias = str | Callable[[], keras.layers.Layer] | None

NORMALIZATIONS = ("batch", "group", "instance", "layer")


@dataclass(frozen=True)
class Blocks:
    """How a network convolves, normalises, pools and upsamples.

    Args:
        rank: number of spatial axes, 1 to 3.
        data_format: `"channels_last"` or `"channels_first"`.
        convolutions: convolutions of a block. Defaults to 2.
        normalization: `"batch"`, `"group"` (groups of 8 channels), `"instance"`,
            `"layer"`, None, or a callable that makes a layer. Defaults to
            `"batch"`.
        activation: after each convolution. Defaults to `"relu"`.
        dropout: rate at the end of a block. Defaults to 0.0.
        upsampling: `"transpose"`, a strided transposed convolution, or
            `"nearest"`. Defaults to `"transpose"`.
    """

    rank: int
    data_format: str
    convolutions: int = 2
    normalization: Normalization = "batch"
    activation: Any = "relu"
    dropout: float = 0.0
    upsampling: str = "transpose"

    def __post_init__(self) -> None:
        known = self.normalization is None or callable(self.normalization)
        if not known and self.normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization must be one of {list(NORMALIZATIONS)}, None or a "
                f"callable that makes a layer, got {self.normalization!r}"
            )
        if self.upsampling not in ("transpose", "nearest"):
            raise ValueError(
                f"upsampling must be 'transpose' or 'nearest', got {self.upsampling!r}"
            )
        if not isinstance(self.convolutions, int) or self.convolutions < 1:
            raise ValueError(
                f"convolutions must be a positive integer, got {self.convolutions!r}"
            )

    @property
    def channel_axis(self) -> int:
        """Where the channels are: 1 or -1."""
        return 1 if self.data_format == "channels_first" else -1

    def _layer(self, family: str) -> type[keras.layers.Layer]:
        kind: type[keras.layers.Layer] = getattr(
            keras.layers, family.format(f"{self.rank}D")
        )
        return kind

    def conv(self, x: Tensor, filters: int, size: int, **kwargs: Any) -> Tensor:
        """A convolution that keeps the spatial size."""
        layer = self._layer("Conv{}")
        return layer(
            filters, size, padding="same", data_format=self.data_format, **kwargs
        )(x)

    def block(self, x: Tensor, filters: int, name: str) -> Tensor:
        """3-wide convolutions, each normalised and activated, then dropout."""
        for i in range(1, self.convolutions + 1):
            bias = self.normalization is None
            x = self.conv(x, filters, 3, use_bias=bias, name=f"{name}_conv_{i}")
            x = self._normalize(x, filters, f"{name}_norm_{i}")
            x = keras.layers.Activation(self.activation, name=f"{name}_act_{i}")(x)
        if self.dropout:
            x = keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        return x

    def down(self, x: Tensor, name: str) -> Tensor:
        """Halves the spatial size by its maxima."""
        return self._layer("MaxPooling{}")(2, data_format=self.data_format, name=name)(
            x
        )

    def up(self, x: Tensor, filters: int, name: str) -> Tensor:
        """Doubles the spatial size."""
        if self.upsampling == "transpose":
            return self._layer("Conv{}Transpose")(
                filters, 2, strides=2, data_format=self.data_format, name=name
            )(x)
        if self.rank > 1:
            layer = self._layer("UpSampling{}")
            return layer(2, data_format=self.data_format, name=name)(x)
        # UpSampling1D alone has no data_format.
        if self.data_format == "channels_last":
            return keras.layers.UpSampling1D(2, name=name)(x)
        x = keras.layers.Permute((2, 1), name=f"{name}_last")(x)
        x = keras.layers.UpSampling1D(2, name=name)(x)
        return keras.layers.Permute((2, 1), name=f"{name}_first")(x)

    def _normalize(self, x: Tensor, filters: int, name: str) -> Tensor:
        kind, axis = self.normalization, self.channel_axis
        if kind is None:
            return x
        if callable(kind):
            return kind()(x)
        if kind == "batch":
            return keras.layers.BatchNormalization(axis=axis, name=name)(x)
        groups = {"instance": filters, "layer": 1}.get(kind, max(filters // 8, 1))
        if filters % groups:
            raise ValueError(
                "normalization='group' makes groups of 8 channels: filters must be "
                f"multiples of 8 or below 16, got {filters}"
            )
        return keras.layers.GroupNormalization(groups, axis=axis, name=name)(x)
