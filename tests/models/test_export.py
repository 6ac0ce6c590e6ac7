"""What leaves Keras answers as the model does: ONNX from torch, SavedModel from TF."""

import keras
import numpy as np
import pytest
from helpers import to_format

from keras_condattn.applications import InsideUNet
from keras_condattn.layers import ACM

CONDITIONING = ("inside", "film", "guiding")
from_torch = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="ONNX is exported from torch"
)
from_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="SavedModel is exported from TensorFlow",
)
# Tracing warns of every shape that Keras looks at, and torch of its own exporter.
NOISE = (
    "Converting a tensor", "torch.as_tensor", "You are using the legacy",
    "The feature will be removed",
)  # fmt: skip
pytestmark = [pytest.mark.filterwarnings(f"ignore:{message}") for message in NOISE]


def small(conditioning, data_format, size=(8, 12)):
    """A network whose every weight, statistics included, is away from its start."""
    shape = (1, *size) if data_format == "channels_first" else (*size, 1)
    model = InsideUNet(
        shape, 4, 2, conditioning, filters=4, depth=1, data_format=data_format
    )
    rng = np.random.default_rng(1)
    moved = [w + rng.uniform(-0.2, 0.2, w.shape) for w in model.get_weights()]
    model.set_weights(moved)
    return model


def inputs(images, data_format, size=(8, 12)):
    """Distinct images, and the next condition for each, all in float32."""
    image = np.random.default_rng(2).normal(size=(images, *size, 1))
    return {
        "image": to_format(image, data_format).astype("float32"),
        "conditioning": np.eye(4, dtype="float32")[np.arange(images) % 4],
    }


def assert_answers_alike(model, exported, data_format, **kwargs):
    """Batches other than the traced one, each image by its own condition."""
    for images in (1, 3):
        x = inputs(images, data_format, **kwargs)
        expected = model.predict(x, verbose=0)
        np.testing.assert_allclose(exported(x), expected, rtol=0, atol=1e-4)
    turned = {**x, "conditioning": x["conditioning"][::-1].copy()}
    moved = np.abs(exported(turned) - expected).max(axis=(1, 2, 3))
    # The one in the middle keeps its condition.
    assert moved[1] <= 1e-4 and min(moved[0], moved[2]) > 0.01, moved
    missing = {**x, "conditioning": x["conditioning"].copy()}
    missing["conditioning"][1] = np.nan
    others = exported(missing)[[0, 2]]
    np.testing.assert_allclose(others, expected[[0, 2]], rtol=0, atol=1e-4)


def onnx(model, path, signature=None):
    """The model as ONNX runtime runs it."""
    import onnxruntime

    # Keras 3.15 exports a model to ONNX once it has been called, and not before.
    model.predict(inputs(1, model.get_layer("logits").data_format), verbose=0)
    model.export(path, format="onnx", input_signature=signature, verbose=False)
    session = onnxruntime.InferenceSession(path)
    names = [i.name for i in session.get_inputs()]
    return lambda x: session.run(None, {name: x[name] for name in names})[0]


@from_torch
@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_onnx(conditioning, data_format, tmp_path):
    model = small(conditioning, data_format)
    exported = onnx(model, str(tmp_path / "model.onnx"))
    assert_answers_alike(model, exported, data_format)


@from_torch
def test_onnx_of_a_network_for_any_size(tmp_path):
    """Keras traces unknown sizes as 1, so the signature has to give them."""
    model = small("inside", "channels_last", (None, None))
    signature = [
        {
            "image": keras.InputSpec("float32", (None, 8, 12, 1), name="image"),
            "conditioning": keras.InputSpec("float32", (None, 4), name="conditioning"),
        }
    ]
    exported = onnx(model, str(tmp_path / "model.onnx"), signature)
    assert_answers_alike(model, exported, "channels_last")


def saved_model(model, path):
    """The model as TensorFlow serves it, without Keras."""
    import tensorflow as tf

    model.export(path, format="tf_saved_model", verbose=False)
    served = tf.saved_model.load(path)
    return lambda x: served.serve(x).numpy()


@from_tensorflow
@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_saved_model(conditioning, data_format, tmp_path):
    model = small(conditioning, data_format)
    exported = saved_model(model, str(tmp_path / "model"))
    assert_answers_alike(model, exported, data_format)


@from_tensorflow
def test_saved_model_of_a_network_for_any_size(tmp_path):
    model = small("inside", "channels_last", (None, None))
    exported = saved_model(model, str(tmp_path / "model"))
    for size in ((8, 12), (6, 4)):
        assert_answers_alike(model, exported, "channels_last", size=size)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="no export from JAX here")
def test_a_network_that_compares(data_format, tmp_path):
    shape = to_format(np.zeros((1, 8, 12, 4)), data_format).shape[1:]
    image = keras.Input(shape, name="image")
    model = keras.Model(image, ACM(2, data_format=data_format)(image))
    x = np.random.default_rng(2).normal(size=(3, *shape)).astype("float32")
    expected, path = model.predict(x, verbose=0), str(tmp_path / "model")
    if keras.backend.backend() == "torch":
        import onnxruntime

        model.export(path, format="onnx", verbose=False)
        session = onnxruntime.InferenceSession(path)
        (found,) = session.run(None, {session.get_inputs()[0].name: x})
    else:
        found = saved_model(model, path)(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
