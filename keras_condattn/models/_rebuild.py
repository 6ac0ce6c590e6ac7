"""Builds a functional model again with new layers in its graph."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_condattn._types import Tensor


class Rebuild:
    """One rebuilding of a model and of the models within it.

    Args:
        model: the outermost model.
        matched: paths of the layers that get a new layer after them.
        make_layer: (name, channels) -> the new layer.
        names: of the outermost model's inputs, for new layers that are called with
            the last of them, too; None where there is nothing to call them with.
    """

    def __init__(
        self,
        model: Any,
        matched: set[str],
        make_layer: Callable[[str, int], keras.layers.Layer],
        names: list[str] | None = None,
    ) -> None:
        self.matched, self.make_layer = matched, make_layer
        self.names, self.extra = names, list[Tensor]()
        self.first = _is_channels_first(model)
        # All by id of the original: a layer in two places is one layer in the copy.
        self.originals: dict[int, Any] = {}
        self.copies: dict[int, Any] = {}
        self.inserted: dict[int, keras.layers.Layer] = {}

    def model(self, model: Any, prefix: str) -> Any:
        """The copy of a model whose layers have paths that begin with `prefix`."""
        if isinstance(model, keras.Sequential):
            return self._sequential(model, prefix)
        taken = {operation.name for operation in model.operations}
        back: dict[int, Any] = {}

        def copied(layer: Any) -> Any:
            copy = self._copied(layer, prefix)
            back[id(copy)] = layer
            return copy

        def called(copy: Any, *args: Any, **kwargs: Any) -> Any:
            output, layer = copy(*args, **kwargs), back[id(copy)]
            if f"{prefix}{layer.name}" not in self.matched:
                return output
            return self._followed(layer, output, taken)

        inputs = keras.tree.map_structure(_input_like(model), model.input)
        if self.names and not prefix:
            inputs = [
                keras.Input(batch_shape=x.shape, dtype=x.dtype, name=name)
                for name, x in zip(self.names, model.inputs, strict=True)
            ]
            self.extra = inputs[-1:]
        return keras.models.clone_model(
            model,
            input_tensors=inputs,
            clone_function=copied,
            call_function=called,
        )

    def copy_values(self) -> None:
        """Puts the variables of every layer into its copy."""
        for key, layer in self.originals.items():
            copy = self.copies[key]
            if copy is layer or _is_model(layer):
                continue
            pairs = list(zip(_variables(layer), _variables(copy), strict=True))
            for old, new in pairs:
                new.assign(np.array(keras.ops.convert_to_numpy(old)))
            # Normalization keeps a second form of what it has learnt.
            if pairs and hasattr(copy, "finalize_state"):
                copy.finalize_state()

    def _copied(self, layer: Any, prefix: str) -> Any:
        if id(layer) not in self.copies:
            if _is_model(layer):
                copy = self.model(layer, f"{prefix}{layer.name}/")
            else:
                copy = _copy(layer)
            self.originals[id(layer)], self.copies[id(layer)] = layer, copy
        return self.copies[id(layer)]

    def _followed(self, layer: Any, output: Any, taken: set[str]) -> Tensor:
        if not isinstance(output, keras.KerasTensor):
            raise ValueError(
                f"pattern: {layer.name!r} puts out {type(output).__name__}, and a new "
                "layer can only follow one tensor"
            )
        if id(layer) not in self.inserted:
            self.inserted[id(layer)] = self._made(layer, output, taken)
        new = self.inserted[id(layer)]
        followed = new(output, *self.extra)
        if isinstance(followed, tuple | list) and followed:
            followed = followed[0]  # the others are for `get_layer(name).output`
        if getattr(followed, "shape", None) != output.shape:
            got = getattr(followed, "shape", type(followed).__name__)
            raise ValueError(
                f"make_layer: {new.name!r} after {layer.name!r} must put out a tensor "
                f"of the shape it gets, {output.shape}, alone or first, got {got}"
            )
        return followed

    def _made(self, layer: Any, output: Tensor, taken: set[str]) -> keras.layers.Layer:
        axis = _channel_axis(layer, len(output.shape), self.first)
        new = self.make_layer(layer.name, output.shape[axis])
        if not isinstance(new, keras.layers.Layer):
            raise TypeError(f"make_layer must return a keras layer, got {new!r}")
        if new.name in taken:
            raise ValueError(
                f"make_layer: the layer after {layer.name!r} must have a name of its "
                f"own, such as {layer.name + '_attention'!r}, got {new.name!r}"
            )
        taken.add(new.name)
        wanted = "channels_first" if axis == 1 else "channels_last"
        if len(output.shape) > 3 and getattr(new, "data_format", wanted) != wanted:
            raise ValueError(
                f"make_layer: {new.name!r} is {new.data_format} where {layer.name!r} "
                f"puts out {wanted}: give it data_format={wanted!r}"
            )
        return new

    def _sequential(self, model: Any, prefix: str) -> Any:
        tensor = model.inputs[0]
        taken, layers = {layer.name for layer in model.layers}, []
        x = _input_like(model)(tensor)
        stack = [x]
        for layer in model.layers:
            copy = self._copied(layer, prefix)
            x = copy(x)
            layers.append(copy)
            if f"{prefix}{layer.name}" in self.matched:
                x = self._followed(layer, x, taken)
                layers.append(self.inserted[id(layer)])
                _check_single(layers[-1], model)
        made = keras.Sequential([*stack, *layers], name=model.name)
        if model.compiled:
            made.compile_from_config(model.get_compile_config())
        return made


def _check_single(new: Any, model: Any) -> None:
    if not isinstance(new.output, keras.KerasTensor):
        raise ValueError(
            f"make_layer: {new.name!r} puts out several tensors, and {model.name!r} "
            "is Sequential, where each layer takes one: make a functional model of "
            "it, keras.Model(model.inputs, model.outputs)"
        )


def _is_model(layer: Any) -> bool:
    return isinstance(layer, keras.Function | keras.Sequential)


def _variables(layer: Any) -> list[Any]:
    """All variables, states of random generators among them; operations have none."""
    return list(getattr(layer, "variables", ()))


def _copy(layer: Any) -> Any:
    try:
        return layer.__class__.from_config(layer.get_config())
    except Exception as error:
        # What holds no values may as well serve two models.
        if not _variables(layer):
            return layer
        raise ValueError(
            f"model: layer {layer.name!r} cannot be copied from its configuration "
            f"({type(error).__name__}: {error}); give {type(layer).__name__} a "
            "get_config that its __init__ takes"
        ) from error


def _input_like(model: Any) -> Callable[[Tensor], Tensor]:
    # The tensor of an input without a given name has another name than its layer.
    layers = {
        id(operation.output): operation
        for operation in getattr(model, "operations", ())
        if isinstance(operation, keras.layers.InputLayer)
    }

    def made(tensor: Tensor) -> Tensor:
        layer = layers.get(id(tensor))
        return keras.Input(
            batch_shape=tensor.shape, dtype=tensor.dtype, sparse=tensor.sparse,
            name=layer.name if layer else tensor.name,
            optional=bool(layer and layer.optional),
        )  # fmt: skip

    return made


def _is_channels_first(model: Any) -> bool:
    """The format that all layers of a model agree in, or else Keras's default."""
    formats = set(_formats(model))
    if len(formats) != 1:
        formats = {keras.config.image_data_format()}
    return formats == {"channels_first"}


def _formats(model: Any) -> list[str]:
    found = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            found += _formats(layer)
        elif getattr(layer, "data_format", None):
            found.append(layer.data_format)
    return found


def _channel_axis(layer: Any, rank: int, first: bool) -> int:
    known = getattr(layer, "data_format", None)
    # (B, C) and sequences (B, T, C) have their channels last in either format.
    if known is None and rank < 4:
        return -1
    return 1 if (first if known is None else known == "channels_first") else -1
