"""What is measured of AttenScribble: a training step, and its parts alone.

`cases(what, size)` gives a call for each way of writing it, on arrays that stay the
same: value and gradients, or a step of training.
"""

import keras
import numpy as np
from keras import ops

from benchmarks._compiled import device
from benchmarks._scribble_reference import (
    DenseLoss,
    DenseSimilarity,
    dense_network,
    dense_similarity,
    products,
    unfolded_crf,
    windowed,
)
from benchmarks._speed_layer import shaped
from benchmarks.scribble_speed import WHATS
from keras_condattn.applications import AttenScribbleUNet
from keras_condattn.layers import AttentiveSimilarity
from keras_condattn.losses import ScribbleLoss, attentive_similarity, gated_crf

BATCH, CLASSES, CHANNELS, RADIUS = 4, 4, 64, 5
GRID = 4  # pixels of the image a pixel of the feature map


def needed_bytes(what, formulation, size, batch=BATCH):
    """A guess of what a formulation holds at once, to leave out what cannot fit."""
    pairs = 4 * batch * (size // GRID) ** 4
    copies = 4 * batch * size**2 * (2 * RADIUS + 1) ** 2 * CLASSES
    parts = {"attention": 8 * pairs, "attentive_similarity": 6 * pairs,
             "gated_crf": 8 * copies}  # fmt: skip
    parts["step"] = sum(parts.values())
    return parts[what] if formulation in ("dense", "unfolded") else 0


def cases(what, size, only=None, batch=BATCH):
    """name -> call, for every formulation or those in `only`."""
    names = [name for name in WHATS[what] if only is None or name in only]
    return {name: MAKERS[what](name, size, batch) for name in names}


def check_equal(what, size, batch=2):
    """Both ways of writing it agree to 1e-4 of their largest value."""
    if what in ("gated_crf", "attentive_similarity"):
        ours, other = cases(what, size, batch=batch).values()
        _close(what, ours()[:2], other()[:2])
        return
    # The attention block has weights: it is compared within the network.
    ours, other = (_model(name, size) for name in ("ours", "dense"))
    other.set_weights(ours.get_weights())
    x, y = _scribbled(size, batch)
    losses = (m.test_on_batch(x, y, return_dict=True)["loss"] for m in (ours, other))
    _close("step", *([np.float64(loss)] for loss in losses))


def _close(what, ours, others):
    for i, pair in enumerate(zip(ours, others, strict=True)):
        mine, other = (np.asarray(ops.convert_to_numpy(t), "float64") for t in pair)
        error = np.abs(mine - other).max() / max(np.abs(other).max(), 1e-12)
        if not error < 1e-4:
            raise RuntimeError(f"{what}: tensor {i} is off by {error:.1e}")


def _step(name, size, batch):
    model, (x, y) = _model(name, size), _scribbled(size, batch)
    # The loss comes back as a number, so the step is over by then.
    return lambda: model.train_on_batch(x, y) and []


def _model(name, size):
    def make():
        return AttenScribbleUNet(
            shaped((BATCH, size, size, 1))[1:], CLASSES, attention=name != "plain"
        )

    model = dense_network(make) if name == "dense" else make()
    kind = DenseLoss if name == "dense" else ScribbleLoss
    weights = {"crf_weight": 0.0, "similarity_weight": 0.0} if name == "plain" else {}
    model.compile(keras.optimizers.Adam(1e-3), kind(ignore_class=CLASSES, **weights))
    return model


def _scribbled(size, batch):
    """Images and scribbles of which a pixel in a hundred tells its class."""
    rng = np.random.default_rng(0)
    image = rng.random(shaped((batch, size, size, 1))).astype("float32")
    scribble = rng.integers(0, CLASSES, (batch, size, size))
    known = rng.random(scribble.shape) < 0.01
    return image, np.where(known, scribble, CLASSES).astype("int32")


def _attention(name, size, batch):
    if name == "products":
        return _products(size // GRID, batch)
    side, kind = size // GRID, {"ours": AttentiveSimilarity, "dense": DenseSimilarity}
    rng = np.random.default_rng(0)
    shape = shaped((batch, side, side, CHANNELS))
    x, pull = (rng.normal(size=shape).astype("float32") for _ in range(2))
    layer = kind[name](RADIUS)
    layer.build(shape)
    pull = ops.convert_to_tensor(pull)

    def both(x):
        features, similarity = layer(x)
        return ops.sum(features * pull) + ops.sum(similarity)

    return gradients(both, [x])


def _products(side, batch):
    rng = np.random.default_rng(0)
    shape = (batch, side * side, CHANNELS)
    arrays = [rng.normal(size=shape).astype("float32") for _ in range(4)]
    return compiled(products, [ops.convert_to_tensor(array) for array in arrays])


def _crf(name, size, batch):
    image, scribble = _scribbled(size, batch)
    image, unlabelled = (ops.convert_to_tensor(a) for a in (image, scribble == CLASSES))
    kind = gated_crf if name == "ours" else unfolded_crf
    return gradients(
        lambda p: kind(p, image, unlabelled), [_probabilities(size, batch)]
    )


def _similarity(name, size, batch):
    side, rng = size // GRID, np.random.default_rng(1)
    probabilities = _probabilities(size, batch)
    if name == "dense" or side <= 16:  # small enough to compare numbers
        similarity = rng.random((batch, side**2, side**2)).astype("float32")
        if name == "ours":
            similarity = windowed(similarity, side, RADIUS)
    else:
        similarity = rng.random((batch, side, side, (2 * RADIUS + 1) ** 2), "float32")
    kind = attentive_similarity if name == "ours" else dense_similarity
    return gradients(kind, [probabilities, similarity])


def _probabilities(size, batch):
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(CLASSES), (batch, size, size)).astype("float32")
    first = keras.config.image_data_format() == "channels_first"
    return np.ascontiguousarray(np.moveaxis(p, -1, 1)) if first else p


MAKERS = {"step": _step, "attention": _attention, "gated_crf": _crf,
          "attentive_similarity": _similarity}  # fmt: skip


def gradients(function, arrays):
    """A call that computes `function` and its derivatives by every argument."""
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    tensors = [ops.convert_to_tensor(array) for array in arrays]
    return make[keras.backend.backend()](function, tensors)


def compiled(function, tensors):
    """A call that computes a list of tensors, without derivatives."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        function = jax.jit(function)
    elif backend == "tensorflow":
        import tensorflow as tf

        function = tf.function(function, jit_compile=device()[0] == "gpu")
    else:
        import torch

        function = torch.no_grad()(function)
    return lambda: function(*tensors)


def _tensorflow(function, tensors):
    import tensorflow as tf

    @tf.function(jit_compile=device()[0] == "gpu")
    def both(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return [value, *tape.gradient(value, tensors)]

    return lambda: both(*tensors)


def _jax(function, tensors):
    import jax

    places = tuple(range(len(tensors)))
    both = jax.jit(jax.value_and_grad(function, argnums=places))

    def call():
        value, slopes = both(*tensors)
        return [value, *slopes]

    return call


def _torch(function, tensors):
    import torch

    leaves = [tensor.detach().requires_grad_() for tensor in tensors]

    def call():
        value = function(*leaves)
        return [value.detach(), *torch.autograd.grad(value, leaves)]

    return call
