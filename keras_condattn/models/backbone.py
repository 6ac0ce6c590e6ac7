"""The layers of a classifier in torchvision's geometry, attention among them."""

from dataclasses import dataclass, field
from typing import Any

import keras

from keras_condattn._types import Shape, Tensor
from keras_condattn.models.attention import AttentionFactory


@dataclass
class Backbone:
    """Makes named layers; names are torchvision's, with `_` in place of the dots.

    Args:
        rank: number of spatial axes, 1 to 3.
        data_format: `"channels_last"` or `"channels_first"`.
        make: name -> attention layer, or None for no attention.
        chosen: the places that get one.
        attention: filled with the maps of each place, where the layer gives any.
        orthogonality: filled with the term of each ACM that returns it.
        orthogonality_weight: what those ACMs say it weighs.
    """

    rank: int
    data_format: str
    make: AttentionFactory | None
    chosen: set[str]
    attention: dict[str, Any] = field(default_factory=dict)
    orthogonality: list[Tensor] = field(default_factory=list)
    orthogonality_weight: float = 0.0

    @property
    def channel_axis(self) -> int:
        """Where the channels are: 1 or -1."""
        return 1 if self.data_format == "channels_first" else -1

    def layer(self, family: str, *args: Any, **kwargs: Any) -> Any:
        """A layer of `keras.layers`; `{}` in `family` stands for the rank."""
        kind = getattr(keras.layers, family.format(f"{self.rank}D"))
        return kind(*args, data_format=self.data_format, **kwargs)

    def conv(
        self, x: Tensor, filters: int, size: int, stride: int = 1, **kwargs: Any
    ) -> Tensor:
        """A convolution without bias, padded by size // 2 on both sides."""
        padding = "same"
        if stride > 1:
            # "same" would pad even sizes on one side only.
            x, padding = self._padded(x, size // 2, kwargs["name"]), "valid"
        start = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
        return self.layer(
            "Conv{}", filters, size, strides=stride, padding=padding, use_bias=False,
            kernel_initializer=start, **kwargs,
        )(x)  # fmt: skip

    def norm(self, x: Tensor, name: str) -> Tensor:
        """Batch normalisation with PyTorch's defaults."""
        return keras.layers.BatchNormalization(
            axis=self.channel_axis, momentum=0.9, epsilon=1e-5, name=name
        )(x)

    def relu(self, x: Tensor, name: str) -> Tensor:
        """max(x, 0)."""
        return keras.layers.Activation("relu", name=name)(x)

    def stem(self, x: Tensor, filters: int, index: int) -> Tensor:
        """A 7-wide convolution and a maximum over 3, each with stride 2."""
        x = self.conv(x, filters, 7, 2, name=f"conv{index}")
        x = self.norm(x, "bn1" if index else "norm0")
        x = self.relu(x, f"relu{index}")
        # After a ReLU, a border of zeros is as good as one of minus infinity.
        x = self._padded(x, 1, "pool")
        return self.layer("MaxPooling{}", 3, strides=2, name="pool")(x)

    def attend(self, x: Tensor, place: str) -> Tensor:
        """The attention layer of a place, where there is to be one."""
        if self.make is None or place not in self.chosen:
            return x
        layer = self.make(f"{place}_module")
        output = layer(x)
        if not isinstance(output, tuple | list):
            return output
        features, *rest = output
        if getattr(layer, "orthogonality", None) == "output":
            self.orthogonality.append(rest.pop())
            self.orthogonality_weight = layer.orthogonality_weight
        if rest:
            (self.attention[f"attention_{place}"],) = rest
        return features

    def _padded(self, x: Tensor, by: int, name: str) -> Tensor:
        if not by:
            return x
        return self.layer("ZeroPadding{}", by, name=f"{name}_pad")(x)


def spatial_sizes(shape: Shape, data_format: str) -> tuple[int | None, ...]:
    """The spatial sizes of an input shape, or a ValueError where it is none."""
    first = data_format == "channels_first"
    if not isinstance(shape, tuple | list) or not 2 <= len(shape) <= 4:
        raise ValueError(
            f"input_shape must be {'(C, *S)' if first else '(*S, C)'} with one to "
            f"three spatial axes, got {shape!r}"
        )
    if shape[0 if first else -1] is None:
        raise ValueError(f"input_shape must give the channels, got {shape!r}")
    return tuple(shape[1:] if first else shape[:-1])


def scaled(filters: float, width: float) -> int:
    """filters x width as a whole number, or a ValueError where nothing is left."""
    if isinstance(width, bool) or not isinstance(width, int | float) or not width > 0:
        raise ValueError(f"width must be a positive number, got {width!r}")
    made = int(filters * width)
    if made < 1:
        raise ValueError(f"width={width!r} leaves no channels of {filters}")
    return made
