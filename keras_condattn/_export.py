"""The one decorator behind every public name."""

from collections.abc import Callable
from typing import TypeVar

import keras

T = TypeVar("T", bound=Callable[..., object])

PUBLIC: list[object] = []


def export(target: T) -> T:
    """Makes a class or function public: serialisable by Keras and listed.

    Registration is what lets `.keras` files find the object again, so nothing
    can be public and unserialisable. The list is what the tests walk to check
    docstrings, defaults and re-exports.

    Args:
        target: a class or a function.

    Returns:
        `target` itself, registered under `"keras_condattn"`.
    """
    PUBLIC.append(target)
    registered: T = keras.saving.register_keras_serializable("keras_condattn")(target)
    return registered
