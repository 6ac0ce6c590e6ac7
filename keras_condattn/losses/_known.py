"""What a scribble tells of its sample, and what a similarity tells of itself."""

from keras import ops

from keras_condattn._types import Tensor


def single_class(scribble: Tensor, classes: int, ignore_class: int | None) -> Tensor:
    """(B,), True where a scribble (B, H, W) names one class, or none at all."""
    numbers = [number for number in range(classes) if number != ignore_class]
    there = [ops.any(ops.equal(scribble, number), axis=(1, 2)) for number in numbers]
    return ops.sum(ops.cast(ops.stack(there, -1), "int32"), axis=-1) < 2


def mean_similarity(similarity: Tensor, radius: int) -> Tensor:
    """Mean of K over the pairs of neighbours there are: (B, h, w, places) -> scalar."""
    K = ops.cast(ops.convert_to_tensor(similarity), "float32")
    shape = ops.shape(K)
    steps = ops.absolute(ops.arange(-radius, radius + 1))
    down, right = (
        ops.sum(ops.cast(ops.maximum(shape[axis] - steps, 0), "float32"))
        for axis in (1, 2)
    )
    pixels = ops.cast(shape[1] * shape[2], "float32")
    pairs = ops.cast(shape[0], "float32") * (down * right - pixels)
    return ops.sum(K) / ops.maximum(pairs, 1.0)


def similarity_spread(similarity: Tensor, radius: int) -> Tensor:
    """Standard deviation of K over the same pairs."""
    K = ops.cast(ops.convert_to_tensor(similarity), "float32")
    # About 1/2, lest the difference of two squares lose the little there is. What is
    # no pair is 0, and a sigmoid is not.
    about = ops.where(K > 0, K - 0.5, 0.0)
    mean = mean_similarity(about, radius)
    variance = mean_similarity(ops.square(about), radius) - ops.square(mean)
    return ops.sqrt(ops.maximum(variance, 0.0))
