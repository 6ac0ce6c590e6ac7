"""Attention into any model there is: a new graph with layers after chosen ones."""

import difflib
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import keras

from keras_condattn._export import export
from keras_condattn.models._rebuild import Rebuild
from keras_condattn.models.conditioned_model import ConditionedModel
from keras_condattn.models.cross_modality_model import CrossModalityModel

MakeLayer: TypeAlias = Callable[[str, int], keras.layers.Layer]
Named: TypeAlias = list[tuple[str, str]]


@export
def insert_after(
    model: keras.Model,
    pattern: str | re.Pattern[str],
    make_layer: MakeLayer,
    *,
    conditioning: keras.KerasTensor | None = None,
) -> keras.Model:
    """A copy of a functional model with a layer after every layer that matches.

    The copy has the structure of inputs and outputs, the layer names and, bit for
    bit, the values of all variables of the original, which is left as it is and shares
    none of them. Models within the model are entered, at any depth. A layer that is
    called several times gets one new layer, called as often.

    Each layer keeps its `trainable`, and the new ones train: in a frozen backbone they
    are all that does. A compiled model is compiled again the same way, with a fresh
    optimizer.

    Args:
        model: a functional or (built) `Sequential` model: `keras.applications`,
            keras-hub backbones, your own.
        pattern: a regular expression for the whole name of a layer (`"conv4_.*_out"`),
            or for its path where it lies in a model within (`"backbone/.*_out"`). A
            plain name matches itself. Input layers do not count.
        make_layer: called as `make_layer(name, channels)` with the name of the
            layer that matched and the channels it puts out, returns the new layer.
            Give it a name made of `name`, so that names do not depend on what
            else was built in the session; where data formats are mixed, give it a
            `data_format` too. It must put out a tensor of the shape it gets, alone or
            as the first of several: the others (a similarity, attention maps) are
            `new_model.get_layer(name).output[1:]`, for a model with more outputs.
        conditioning: a `keras.Input` for layers that are steered (`FiLM`,
            `GuidingBlock`, `INSIDE`): each is called `layer(features, conditioning)`,
            and the new model is a `ConditionedModel` that takes `{"image": ...,
            "conditioning": ...}`, or the dict that the original took and
            "conditioning". Then layers of models within the model cannot be chosen.
            None for layers of the features alone. Defaults to None.

    Returns:
        The new model: of the class of `model` where that is made from inputs and
        outputs alone, as `keras.Model` is; otherwise (keras-hub's backbones) a plain
        functional one.

    Raises:
        TypeError: for a subclassed model, which has no graph of layers (the error
            says what to do), or a `make_layer` that returns no layer.
        ValueError: for a pattern that is no regular expression or matches nothing
            (with names that come close), a layer with several outputs, a new
            layer that changes the shape or takes a name there is, or a
            conditioning that the model cannot be given.

    Example:

    >>> image = keras.Input((8, 8, 3))
    >>> conv = keras.layers.Conv2D(64, 3, data_format="channels_last", name="conv")
    >>> model = keras_condattn.insert_after(
    ...     keras.Model(image, conv(image)), "conv", lambda name, channels:
    ...     keras_condattn.layers.ACM(data_format="channels_last", name=f"{name}_acm"),
    ... )
    >>> [layer.name for layer in model.layers[1:]]
    ['conv', 'conv_acm']
    """
    expression = _compiled(pattern)
    _check_graph(model)
    original, names = model, None
    if conditioning is not None:
        names = [*_input_names(model), "conditioning"]
        model = _with_input(model, conditioning)
    named = names_in(model)
    matched = {path for path, name in named if _fits(expression, path, name)}
    if not matched:
        raise ValueError(_nothing(expression.pattern, named, model))
    within = sorted(path for path in matched if "/" in path)
    if within and conditioning is not None:
        raise ValueError(
            f"conditioning: {within[0]!r} lies in a model within the model, which the "
            "new input does not reach; insert into that model before it is called"
        )
    rebuild = Rebuild(model, matched, make_layer, names)
    copy = rebuild.model(model, "")
    rebuild.copy_values()
    if names:
        inputs = dict(zip(names, copy.inputs, strict=True))
        copy = ConditionedModel(inputs, copy.output, name=original.name)
    if original.compiled and not copy.compiled:
        copy.compile_from_config(original.get_compile_config())
    if hasattr(original, "preprocessing"):  # registered weights bring it
        copy.preprocessing = original.preprocessing
    if isinstance(original, CrossModalityModel) and type(copy) is type(original):
        copy.take_view_of(original)
    return copy


def _with_input(model: Any, conditioning: Any) -> Any:
    """The model with one input more, the last, which nothing uses yet."""
    if not isinstance(conditioning, keras.KerasTensor):
        raise ValueError(
            "conditioning must be a keras.Input such as keras.Input((4,)), got "
            f"{conditioning!r}"
        )
    sequential = isinstance(model, keras.Sequential)
    outputs = model.outputs[0] if sequential else model.output
    return keras.Model([*model.inputs, conditioning], outputs, name=model.name)


def _input_names(model: Any) -> list[str]:
    """The keys of a conditioned model's inputs, in the order of `model.inputs`."""
    inputs = None if isinstance(model, keras.Sequential) else model.input
    if not isinstance(inputs, dict):
        if len(model.inputs) == 1:
            return ["image"]
        raise ValueError(
            "conditioning: the model takes several inputs without names; make it one "
            "of a dict of inputs"
        )
    keys = {id(tensor): key for key, tensor in inputs.items()}
    names = [keys[id(tensor)] for tensor in model.inputs]
    if "conditioning" in names:
        raise ValueError(
            "conditioning: the model has an input of that name; call the new layers "
            "with it in the model's own code"
        )
    return names


def names_in(model: Any, prefix: str = "") -> Named:
    """(path, name) of all layers and operations but inputs, inner models entered."""
    found: Named = []
    for item in getattr(model, "operations", None) or model.layers:
        if isinstance(item, keras.layers.InputLayer):
            continue
        path = f"{prefix}{item.name}"
        found.append((path, item.name))
        if isinstance(item, keras.Function | keras.Sequential):
            found += names_in(item, f"{path}/")
    return found


def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ValueError(
            f"pattern must be a regular expression for whole names, such as "
            f"'conv4_.*_out', got {pattern!r} ({error})"
        ) from None


def _fits(expression: re.Pattern[str], path: str, name: str) -> bool:
    return bool(expression.fullmatch(name) or expression.fullmatch(path))


def _check_graph(model: Any) -> None:
    kind = type(model).__name__
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise ValueError(
                f"model: {model.name!r} has no input shape yet: begin it with "
                "keras.Input(...), or call it once"
            )
    elif not isinstance(model, keras.Function):
        raise TypeError(
            f"model: {kind} is a subclassed model, which has no graph of layers to "
            "insert into. Where its call uses layers and keras.ops only, inputs = "
            "keras.Input(shape); keras.Model(inputs, model.call(inputs)) makes a graph "
            "of it that insert_after takes; otherwise call the new layer in its call()"
        )


def _nothing(pattern: str, named: Named, model: Any) -> str:
    names = list(dict.fromkeys(name for _, name in named))
    plain = re.sub(r"\\.|[^\w/]", "", pattern)
    close = difflib.get_close_matches(plain, names, 5, 0.3) or names[:5]
    listed = ", ".join(map(repr, close))
    return (
        f"pattern {pattern!r} matches the whole name of none of the {len(names)} "
        f"layers of {model.name!r}; names that come near: {listed}"
    )
