"""Layers that write their own gradients give a step's memory back."""

import gc

import pytest
from helpers import value_and_gradients
from keras import ops

from keras_condattn.layers import ACM, AttentiveSimilarity

LAYERS = [
    (lambda: ACM(2, orthogonality_weight=0.0), {"training": True}),
    (lambda: AttentiveSimilarity(1), {}),
]


@pytest.mark.parametrize(("make", "call"), LAYERS)
def test_no_tensor_outlives_its_step(make, call, rng):
    layer = make()
    x = rng.normal(size=(2, 4, 4, 4)).astype("float32")
    layer.build(x.shape)
    tensor = type(ops.convert_to_tensor(x))

    def loss(x):
        outputs = layer(x, **call)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum(ops.sum(ops.square(y)) for y in outputs)

    alive = []
    for _ in range(4):
        value_and_gradients(loss, x)
        gc.collect()
        alive.append(sum(isinstance(thing, tensor) for thing in gc.get_objects()))
    assert alive[-1] == alive[1], alive
