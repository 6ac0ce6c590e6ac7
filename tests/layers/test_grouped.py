"""The written-out gradient of attended means is the framework's own."""

import keras
import numpy as np
import pytest
from helpers import assert_close, value_and_gradients
from keras import ops

from keras_condattn.layers._grouped import attended_means


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize(("groups", "maps"), [(1, 2), (2, 1), (3, 2)])
def test_gradients_of_features_and_kernel(groups, maps, channels_last, rng):
    shape = (2, 5, 12) if channels_last else (2, 12, 5)
    features = rng.normal(size=shape).astype("float32")
    kernel = rng.normal(size=(groups, maps, 12 // groups)).astype("float32")
    pull = rng.normal(size=(2, groups, maps + 1, 12 // groups)).astype("float32")

    def pulled(training):
        weights = ops.convert_to_tensor(pull)
        return lambda x, k: ops.sum(
            attended_means(x, k, channels_last, training) * weights
        )

    value, gradients = value_and_gradients(pulled(True), features, kernel)
    expected, plain = value_and_gradients(pulled(False), features, kernel)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for found, wanted in zip(gradients, plain, strict=True):
        assert_close(found, wanted)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="others keep no graph")
def test_a_second_pass_over_the_same_graph(rng):
    import torch

    features = torch.tensor(rng.normal(size=(2, 5, 4)), requires_grad=True)
    kernel = torch.tensor(rng.normal(size=(2, 2, 2)), requires_grad=True)
    total = (attended_means(features, kernel, True) ** 2).sum()
    first = torch.autograd.grad(total, [features, kernel], retain_graph=True)
    second = torch.autograd.grad(total, [features, kernel])
    for one, other in zip(first, second, strict=True):
        assert one.abs().max() > 0.1
        torch.testing.assert_close(one, other)
