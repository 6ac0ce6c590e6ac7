"""SummedOrthogonality: the released loss over a network, and the layer's contract."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_condattn.layers import SummedOrthogonality
from keras_condattn.models import attention_resnet


def test_absolute_value_of_the_sum():
    layer = SummedOrthogonality(0.5)
    x = np.ones((2, 3), "float32")
    first, second = np.array([-3.0, 1.0]), np.array([0.5, -0.5])
    output = layer(x, [ops.convert_to_tensor(first), ops.convert_to_tensor(second)])
    np.testing.assert_array_equal(ops.convert_to_numpy(output), x)
    (loss,) = layer.losses
    assert float(ops.convert_to_numpy(loss)) == pytest.approx(0.5 * 1.0)


def test_in_a_classifier(data_format, tmp_path):
    """One loss where there were many: with the modules' terms of opposite sign."""
    shape = (16, 16, 1) if data_format == "channels_last" else (1, 16, 16)

    def network(form):
        return attention_resnet(
            shape, 2, blocks=(1, 1, 1, 1), width=0.25, data_format=data_format,
            attention_options={"orthogonality": form, "groups": 8},
        )  # fmt: skip

    summed, signed = network("output"), network("signed")
    signed.set_weights(summed.get_weights())
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    summed(x), signed(x)
    assert len(summed.losses) == 1 and len(signed.losses) == 4
    terms = [float(ops.convert_to_numpy(t)) for t in signed.losses]
    assert float(ops.convert_to_numpy(summed.losses[0])) == pytest.approx(
        abs(sum(terms)), rel=1e-4, abs=1e-7
    )
    summed.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    summed.fit(x, np.eye(2, dtype="float32")[[0, 1, 1, 0]], verbose=0)
    summed.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    loaded(x)
    assert len(loaded.losses) == 1
    np.testing.assert_array_equal(
        loaded.predict_on_batch(x), summed.predict_on_batch(x)
    )


def test_bad_input():
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        SummedOrthogonality(-1)
    with pytest.raises(ValueError, match="terms must hold a tensor.*got none"):
        SummedOrthogonality()(np.ones((2, 3), "float32"), [])
