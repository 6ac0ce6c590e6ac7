"""`load_official`: the authors' released parameters, whole or not at all."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from keras_condattn._export import export
from keras_condattn.weights.checkpoints import State, read_checkpoint
from keras_condattn.weights.converters import Slots, slots_of

T = TypeVar("T")


@export
def load_official(layer_or_model: T, state: State) -> T:
    """Loads the parameters that a paper's authors released.

    Names and layouts are those of the released checkpoints (`fc_1/kernel`, ...);
    arrays are transposed where Keras keeps them otherwise. A leading `module.` of
    data-parallel training is dropped, and `{"state_dict": ...}` is unwrapped.

    Args:
        layer_or_model: a built layer or model of this package.
        state: name -> array, or the path of a `.npz`, `.safetensors`, `.h5`,
            `.pth` or `.pt` file. A file is read as data: nothing in it is run.

    Returns:
        `layer_or_model`, which now holds the values.

    Raises:
        TypeError: for a layer or model without a known checkpoint, or a `state`
            that is neither a mapping nor a path.
        ValueError: naming every missing, unexpected and misshapen entry; for a
            layer that is not built yet; for a damaged file, or one that holds
            anything but arrays. Nothing has been changed then.
        FileNotFoundError: for a path without a file.
        ImportError: for `.safetensors` without the package of that name.

    Example:

    >>> layer = keras_condattn.layers.FiLM(hidden_units=3, data_format="channels_last")
    >>> layer.build((None, 8, 8, 6), (None, 4))
    >>> released = {
    ...     "fc_1/kernel": np.ones((4, 3)), "fc_1/bias": np.zeros(3),
    ...     "fc_2/kernel": np.ones((3, 3)), "fc_2/bias": np.zeros(3),
    ...     "fc_3/kernel": np.ones((3, 12)), "fc_3/bias": np.zeros(12),
    ... }
    >>> keras_condattn.load_official(layer, released) is layer
    True
    """
    slots = slots_of(layer_or_model)
    arrays = read_checkpoint(state)
    values = fitted(slots, arrays, type(layer_or_model).__name__)
    for name, slot in slots.items():
        slot.variable.assign(values[name])
    return layer_or_model


def fitted(
    slots: Slots, arrays: Mapping[str, Any], target: str
) -> dict[str, np.ndarray]:
    """The values in the layout of their variables, or an error that says it all."""
    common = slots.keys() & arrays.keys()
    values = {name: slots[name].transform(arrays[name]) for name in common}
    misfits = (_misfit(name, values[name], slots[name].variable) for name in values)
    problems = {
        "missing": slots.keys() - common,
        "unexpected": arrays.keys() - common,
        "misshapen": filter(None, misfits),
    }
    listed = {what: sorted(entries) for what, entries in problems.items()}
    if any(listed.values()):
        found = "; ".join(f"{k}: {', '.join(v)}" for k, v in listed.items() if v)
        raise ValueError(f"state does not fit {target}, nothing was loaded. {found}")
    return values


def _misfit(name: str, value: np.ndarray, variable: Any) -> str:
    shape = tuple(variable.shape)
    if value.shape != shape:
        return f"{name} has shape {value.shape} where {shape} is needed"
    if value.dtype.kind not in "fiu":
        return f"{name} holds {value.dtype} where numbers are needed"
    return ""
