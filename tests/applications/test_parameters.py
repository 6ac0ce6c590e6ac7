"""On torch: every trainable variable is a parameter of its model.

Keras keeps torch's parameters by path. Where two layers share one, the model has one
parameter for both, `zero_grad` misses the other, and its gradients pile up.
"""

import keras
import pytest

from keras_condattn import applications

NETWORKS = {
    "InsideEncoderDecoder": {"input_shape": (3, 32, 32)},
    "InsideUNet": {
        "input_shape": (1, 32, 32), "conditioning_size": 3, "classes": 2, "filters": 4,
    },
    "AttenScribbleUNet": {"input_shape": (1, 32, 32)},
    "UNetCAM": {"input_shape": (1, 32, 32), "filters": 4},
    "CrossModalityCAM": {"input_shape": (2, 32, 32), "filters": 4},
    "ACMResNet50": {"input_shape": (1, 32, 32), "classes": 2},
    "ACMDenseNet121": {
        "input_shape": (1, 32, 32), "classes": 2, "attention": "se",
    },
}  # fmt: skip


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="about torch's modules")
@pytest.mark.parametrize("name", NETWORKS)
def test_every_variable_is_a_parameter(name):
    model = getattr(applications, name)(
        **NETWORKS[name], data_format="channels_first"
    )  # fmt: skip
    held = {id(parameter) for parameter in model.parameters()}
    missing = [v.path for v in model.trainable_variables if id(v.value) not in held]
    assert not missing
