"""Finds layers and outputs of a model by name."""

import difflib
from collections.abc import Iterator
from typing import Any

import keras


def found_layer(model: Any, layer: str) -> tuple[str, Any]:
    """The one layer that has this path, or this name, and its path.

    Raises:
        TypeError: for a model that has no graph of layers.
        ValueError: where it is no layer's or several layers' name.
    """
    if not isinstance(model, keras.Function | keras.Sequential):
        raise TypeError(
            "model must be a functional or Sequential model, whose graph of layers is "
            f"known, got {type(model).__name__}. Where its call uses layers and "
            "keras.ops only, inputs = keras.Input(shape); keras.Model(inputs, "
            "model.call(inputs)) makes one of it"
        )
    if not model.built:
        raise ValueError(
            f"model: {model.name!r} has no input shape yet: begin it with "
            "keras.Input(...), or call it once"
        )
    items = dict(_items(model))
    paths = [layer] if layer in items else [
        path for path, item in items.items() if item.name == layer
    ]  # fmt: skip
    if len(paths) > 1:
        raise ValueError(f"layer {layer!r} is the name of several, give one of {paths}")
    if not paths:
        close = difflib.get_close_matches(str(layer), items, 5, 0.3)
        raise ValueError(
            f"layer must be the name of one of the {len(items)} layers of "
            f"{model.name!r}, such as {close or list(items)[-5:]}, got {layer!r}"
        )
    return paths[0], items[paths[0]]


def ends(model: Any) -> tuple[Any, Any]:
    """Inputs and outputs of a model, structured as it has them."""
    if isinstance(model, keras.Sequential):
        return model.inputs[0], model.outputs[0]
    return model.input, model.output


def chosen_output(outputs: Any, output: str | None) -> str:
    """The path of the class scores (B, K) among a model's outputs.

    Raises:
        ValueError: where `output` is none, or says nothing and there are several.
    """
    leaves = dict(named_leaves(outputs))
    scores = [path for path, tensor in leaves.items() if len(tensor.shape) == 2]
    if output is None and len(scores) == 1:
        return scores[0]
    if output is None or output not in scores:
        shapes = {path: tuple(tensor.shape) for path, tensor in leaves.items()}
        raise ValueError(
            "output must name the model's class scores (B, K), one of "
            f"{scores or 'which there is none'}, got {output!r}; outputs are {shapes}"
        )
    return output


def named_leaves(outputs: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, tensor) of nested outputs: keys and places, joined by slashes."""
    if isinstance(outputs, dict):
        pairs = list(outputs.items())
    elif isinstance(outputs, list | tuple):
        pairs = list(enumerate(outputs))
    else:
        yield prefix, outputs
        return
    for key, value in pairs:
        yield from named_leaves(value, f"{prefix}/{key}" if prefix else str(key))


def _items(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, layer or operation) but inputs, models within entered."""
    for item in getattr(model, "operations", None) or model.layers:
        if isinstance(item, keras.layers.InputLayer):
            continue
        path = f"{prefix}{item.name}"
        yield path, item
        if isinstance(item, keras.Function | keras.Sequential):
            yield from _items(item, f"{path}/")
