"""Functions that bring their own gradient."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_condattn._types import Tensor


def with_gradient(
    forward: Callable[..., tuple[Tensor, Any]],
    backward: Callable[[Any, Tensor], Any],
) -> Callable[..., Tensor]:
    """`keras.ops.custom_gradient` that lets go of what it keeps once it was used.

    On torch, Keras leaves a step's graph to the garbage collector. What autograd saves
    is freed by the backward pass all the same; what a closure holds would stay, and
    with every step another set of maps.

    Args:
        forward: tensors -> (result, what `backward` needs). The result itself must not
            be among that: on torch it would hold itself for good.
        backward: (what was kept, gradient of the result) -> one gradient a tensor.

    Returns:
        tensors -> result.
    """

    def function(*tensors: Tensor) -> tuple[Tensor, Any]:
        result, kept = forward(*tensors)
        held = [kept]
        del kept

        def gradient(*args: Tensor, upstream: Tensor = None) -> Any:
            if upstream is None:
                return backward(held[0], args[0])
            # torch gives the arguments again, for a second pass over the same graph.
            kept = held.pop() if held else forward(*args)[1]
            return backward(kept, upstream)

        return result, gradient

    differentiable: Callable[..., Tensor] = ops.custom_gradient(function)
    return differentiable
