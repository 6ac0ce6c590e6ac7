"""A loop whose steps wait for one another."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def serial_loop(count: Any, body: Callable[[Any, Any], Any], start: Any) -> Any:
    """`ops.fori_loop(0, count, body, start)`, one step after another.

    In a graph TensorFlow begins as many as ten steps together, as far as they do not
    need each other's results, and holds the memory of ten. Here the number of a step
    is only known once the last one is done.
    """

    def step(i: Any, state: Any) -> Any:
        late, inner = state
        if isinstance(i, int):  # no graph
            return late, body(i, inner)
        inner = body(i + late, inner)
        done = ops.reshape(keras.tree.flatten(inner)[0], (-1,))[0]
        # Always 0, which no compiler can tell.
        return ops.minimum(ops.cast(done > 0, "int32"), 0), inner

    return ops.fori_loop(0, count, step, (ops.zeros((), "int32"), start))[1]
