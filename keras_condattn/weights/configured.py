"""Lets a registered name bring the arguments its network was trained with."""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import keras

from keras_condattn.weights.loader import load_resolved, resolve
from keras_condattn.weights.records import WeightsRecord, plain

P = ParamSpec("P")
M = TypeVar("M")
SHAPE = "input_shape"


def from_registry(factory: Callable[P, M]) -> Callable[P, M]:
    """Gives a factory of networks its `weights` argument.

    The factory builds with fresh weights and never looks at `weights`. Before it
    runs, a registered name fills in the arguments that were not given from its
    record; after it, the weights are loaded, and the record's preprocessing stands
    as a dict in `model.preprocessing`. The default `input_shape` and a
    record's are channels-last, and are turned where the data format in force
    (`data_format`, or else `keras.config.image_data_format()`) is channels_first;
    an `input_shape` that was given is taken as it is.

    Args:
        factory: a function with a `weights` parameter, no `*args` or `**kwargs`,
            that returns a built model. Its `__name__` is the architecture.

    Returns:
        The function, with the factory's signature and docstring.

    Raises:
        TypeError: for a factory with another kind of signature.
        ValueError: (by the function) where a given argument contradicts the
            record, before anything is located or downloaded; for an unknown
            name; for a file that is damaged or of another network.
    """
    signature = inspect.signature(factory)
    _check_signature(factory.__name__, signature)

    @functools.wraps(factory)
    def build(*args: P.args, **kwargs: P.kwargs) -> M:
        given = _given(factory.__name__, signature, args, kwargs)
        weights = given.pop("weights", signature.parameters["weights"].default)
        source = resolve(weights, factory.__name__)
        config: Mapping[str, Any] = {}
        if isinstance(source, WeightsRecord):
            config = _config(source, signature)
        first = _channels_first(given, signature)
        _refuse_contradictions(given, config, weights, first)
        arguments = {**_filled(config, signature, first), **given}
        model = factory(**arguments)  # type: ignore[call-arg]
        load_resolved(model, source, factory.__name__)
        if isinstance(source, WeightsRecord):
            model.preprocessing = copy.deepcopy(dict(source.preprocessing))  # type: ignore[attr-defined]
        return model

    return build


def _check_signature(name: str, signature: inspect.Signature) -> None:
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    if "weights" not in signature.parameters or kinds - named:
        raise TypeError(
            f"{name} must name all its parameters, weights among them, to be "
            f"configured by registered weights, got {name}{signature}"
        )


def _given(
    name: str, signature: inspect.Signature, args: Any, kwargs: Any
) -> dict[str, Any]:
    try:
        return dict(signature.bind_partial(*args, **kwargs).arguments)
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None


def _config(record: WeightsRecord, signature: inspect.Signature) -> dict[str, Any]:
    unknown = sorted(record.config.keys() - signature.parameters.keys())
    if unknown:
        raise ValueError(
            f"weights={record.name!r}: its record sets {', '.join(unknown)}, which "
            f"{record.architecture} does not take"
        )
    return {key: plain(value) for key, value in record.config.items()}


def _channels_first(given: Mapping[str, Any], signature: inspect.Signature) -> bool:
    parameter = signature.parameters.get("data_format")
    chosen = given.get("data_format", parameter.default if parameter else None)
    return bool((chosen or keras.config.image_data_format()) == "channels_first")


def _refuse_contradictions(
    given: Mapping[str, Any], config: Mapping[str, Any], weights: Any, first: bool
) -> None:
    wrong = []
    for key in given.keys() & config.keys():
        expected = _turned(config[key]) if key == SHAPE and first else config[key]
        got = plain(given[key])
        if not (_shape_fits(got, expected) if key == SHAPE else got == expected):
            wrong.append(f"{key}={given[key]!r} where they have {expected!r}")
    if wrong:
        raise ValueError(
            f"weights={weights!r} were trained with other arguments: "
            f"{'; '.join(sorted(wrong))}. Leave out what they bring, or pass "
            "weights=None"
        )


def _shape_fits(got: Any, expected: tuple[int | None, ...]) -> bool:
    if not isinstance(got, tuple) or len(got) != len(expected):
        return False
    return all(e in (None, g) for g, e in zip(got, expected, strict=True))


def _filled(
    config: Mapping[str, Any], signature: inspect.Signature, first: bool
) -> dict[str, Any]:
    """The record's arguments, and the default shape, in the format in force."""
    filled = dict(config)
    parameter = signature.parameters.get(SHAPE)
    if parameter and isinstance(parameter.default, tuple):
        filled.setdefault(SHAPE, parameter.default)
    if first and SHAPE in filled:
        filled[SHAPE] = _turned(filled[SHAPE])
    return filled


def _turned(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    return (shape[-1], *shape[:-1])
