"""A network that sees slices, whatever its data format and its inputs."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

StaticShape = tuple[int | None, ...]
WANTED = (
    "model must be a built functional model of slices (B, h, w, 1), or of "
    '{"image", "conditioning"}, that gives logits (B, h, w, K), bare or as "mask" of '
    "a dict"
)


@dataclasses.dataclass(frozen=True)
class SliceModel:
    """A model, and how to speak to it.

    Args:
        model: the network.
        shape: of its image input, the batch left out.
        axis: of the channels.
        conditioning: length of the vector; None where the model takes none.
        by_name: whether inputs go in as a dict.
    """

    model: keras.Model
    shape: StaticShape
    axis: int
    conditioning: int | None
    by_name: bool

    @classmethod
    def of(cls, model: keras.Model) -> "SliceModel":
        """Looks at a model; raises ValueError where it is of another kind."""
        inputs, output = (getattr(model, name, None) for name in ("input", "output"))
        named = inputs if isinstance(inputs, dict) else {"image": inputs}
        if isinstance(output, dict):
            output = output.get("mask")
        shape = _shape(named.get("image"))
        extra, vector = set(named) - {"image"}, _shape(named.get("conditioning"))
        if (
            len(shape) != 4
            or len(_shape(output)) != 4
            or not (extra == set() or (extra == {"conditioning"} and len(vector) == 2))
        ):
            raise ValueError(f"{WANTED}; got {_described(inputs, output)}")
        size = vector[1] if extra else None
        return cls(model, shape[1:], _channel_axis(model, shape), size, named is inputs)

    def check_frames(self, height: int, width: int) -> None:
        """Raises ValueError where frames of this size do not go in."""
        check_size(self.shape[1:] if self.axis == 1 else self.shape[:2], height, width)

    def scores(
        self, frames: NDArray[Any], vectors: NDArray[Any] | None, batch_size: int
    ) -> NDArray[np.float32]:
        """Probabilities (D, h, w, K) of slices (D, h, w); of one logit, two classes."""
        inputs: Any = np.expand_dims(frames, self.axis)
        if self.by_name:
            inputs = {"image": inputs}
            if vectors is not None:
                inputs["conditioning"] = vectors
        output = self.model.predict(inputs, batch_size=batch_size, verbose=0)
        logits = output["mask"] if isinstance(output, dict) else output
        logits = np.moveaxis(np.asarray(logits, "float32"), self.axis, -1)
        if logits.shape[:3] != frames.shape:
            raise ValueError(
                f"model must give logits for each of {frames.shape} pixels, got "
                f"{logits.shape}"
            )
        if np.isnan(logits).any():
            raise ValueError("model gives logits that are NaN for this volume")
        if logits.shape[-1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], -1)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return np.asarray(powers / powers.sum(-1, keepdims=True))


def check_size(size: StaticShape, height: int, width: int) -> None:
    """Raises ValueError where frames do not go into a model of this (h, w)."""
    if any(n not in (None, m) for n, m in zip(size, (height, width), strict=True)):
        raise ValueError(
            f"preprocessing makes slices of {(height, width)} pixels, the model takes "
            f'{size}: "size" must say so'
        )


def axis_of_layers(layers: Iterable[Any]) -> int:
    """Of the channels, as the first of the layers says that has a data format."""
    formats = (getattr(layer, "data_format", None) for layer in layers)
    default = keras.config.image_data_format()
    return 1 if next(filter(None, formats), default) == "channels_first" else -1


def _shape(tensor: Any) -> StaticShape:
    return tuple(getattr(tensor, "shape", ()))


def _channel_axis(model: keras.Model, shape: StaticShape) -> int:
    """Where there is one channel; where there could be two such axes, ask around."""
    found = [axis for axis in (1, -1) if shape[axis] == 1]
    if not found:
        raise ValueError(f"model must take slices of one channel, got {shape}")
    if len(found) == 1:
        return found[0]
    return axis_of_layers(model.layers)


def _described(inputs: Any, output: Any) -> str:
    named = inputs if isinstance(inputs, dict) else {"input": inputs}
    shapes = {name: _shape(tensor) or None for name, tensor in named.items()}
    return f"inputs {shapes} and output {_shape(output) or None}"
