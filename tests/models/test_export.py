"""What leaves Keras answers as the model does: ONNX from torch, SavedModel from TF."""

import keras
import numpy as np
import pytest
from helpers import to_format

from keras_condattn.applications import (
    AttenScribbleUNet,
    CrossModalityCAM,
    InsideUNet,
    UNetCAM,
)
from keras_condattn.layers import ACM
from keras_condattn.models import DivisibleSize

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


def modalities(stacked, data_format, size=(8, 16)):
    """Networks of two modalities, and images for them."""
    shape = to_format(np.zeros((1, *size, 1)), data_format).shape[1:]
    model = CrossModalityCAM(
        shape, ("t2", "flair"), filters=(2, 3), stacked=stacked, data_format=data_format
    )
    rng = np.random.default_rng(2)
    x = {m: rng.random((3, *shape)).astype("float32") for m in model.modalities}
    if not stacked:
        return model, x
    axis = 1 if data_format == "channels_first" else -1
    return model, np.concatenate(list(x.values()), axis)


def assert_parts_alike(model, x, found):
    assert len(found) == 4
    for modality, parts in model.predict(x, verbose=0).items():
        for part, expected in parts.items():
            actual = np.asarray(found[f"{modality}_{part}"])
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="no SavedModel of torch")
@pytest.mark.parametrize("stacked", [False, True])
def test_saved_model_of_several_modalities(stacked, data_format, tmp_path):
    import tensorflow as tf

    model, x = modalities(stacked, data_format)
    model.export(str(tmp_path / "model"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "model"))
    assert_parts_alike(model, x, served.serve(x))


@from_torch
@pytest.mark.parametrize("stacked", [False, True])
def test_onnx_of_several_modalities(stacked, data_format, tmp_path):
    import onnxruntime

    model, x = modalities(stacked, data_format)
    path = str(tmp_path / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    names = [i.name for i in session.get_inputs()]
    values = session.run(None, {names[0]: x} if stacked else {n: x[n] for n in names})
    parts = ("class_activation_map", "logits")
    keys = [f"{m}_{part}" for m in ("flair", "t2") for part in parts]
    assert_parts_alike(model, x, dict(zip(keys, values, strict=True)))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="no SavedModel of torch")
def test_saved_model_of_maps_for_any_size(tmp_path):
    import tensorflow as tf

    model = UNetCAM((None, None, 1), filters=2, data_format="channels_last")
    given = {}
    if keras.backend.backend() == "jax":
        # JAX wants to know that what is halved three times is a multiple of 8.
        given["jax2tf_kwargs"] = {
            "native_serialization": True,
            "polymorphic_shapes": ["(batch, 8*a, 8*b, 1)"],
        }
    model.export(str(tmp_path / "model"), verbose=False, **given)
    served = tf.saved_model.load(str(tmp_path / "model"))
    for size in ((8, 16), (16, 8)):
        x = np.random.default_rng(2).random((2, *size, 1)).astype("float32")
        found = served.serve(x)
        for part, expected in model.predict(x, verbose=0).items():
            np.testing.assert_allclose(found[part], expected, rtol=0, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="symbols of JAX")
def test_sizes_that_are_symbols_are_not_compared():
    from jax.export import symbolic_shape

    shape = symbolic_shape("batch, a, 8*b, 1")
    layer = DivisibleSize(8, data_format="channels_last")
    assert layer.compute_output_shape(shape) == shape
    with pytest.raises(ValueError, match=r"multiple of 8.*, 9\); pad .*, 16\)"):
        layer.check((*shape[:2], 9, 1))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="no SavedModel of torch")
def test_saved_model_of_a_similarity(tmp_path):
    import tensorflow as tf

    model = AttenScribbleUNet(
        (16, 24, 1), 3, filters=(4, 4, 4), dropout=0.0, similarity_radius=2,
        data_format="channels_last",
    )  # fmt: skip
    model.export(str(tmp_path / "model"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "model"))
    for images in (1, 3):
        x = np.random.default_rng(2).normal(size=(images, 16, 24, 1)).astype("float32")
        found = served.serve(x)
        for part, expected in model.predict(x, verbose=0).items():
            np.testing.assert_allclose(found[part], expected, rtol=0, atol=1e-4)
