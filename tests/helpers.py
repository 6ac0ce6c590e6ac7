"""What every layer and model test shares: gradients, layouts, a layer contract."""

import json

import keras
import numpy as np
from keras import ops


def to_format(array, data_format):
    """Moves the channel axis of a channels-last array where `data_format` wants it."""
    return np.moveaxis(array, -1, 1) if data_format == "channels_first" else array


def from_format(array, data_format):
    """The reverse of `to_format`."""
    array = ops.convert_to_numpy(array)
    return np.moveaxis(array, 1, -1) if data_format == "channels_first" else array


def assert_close(actual, expected, tolerance=1e-5):
    """Agreement relative to the largest magnitude, the goldens' own measure."""
    actual, expected = ops.convert_to_numpy(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    scale = max(np.abs(expected).max(), 1e-30)
    error = np.abs(actual - expected).max() / scale
    assert error <= tolerance, f"relative error {error:.2e} > {tolerance:.0e}"


def value_and_gradients(function, *arrays):
    """`function(*tensors) -> scalar`, its value and its gradients, on any backend."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        tensors = [ops.convert_to_tensor(a) for a in arrays]
        # Compiled whole: one by one, the operations take several times as long.
        differentiated = jax.value_and_grad(
            lambda *t: function(*t), argnums=tuple(range(len(arrays)))
        )
        value, gradients = jax.jit(differentiated)(*tensors)
    elif backend == "torch":
        tensors = [ops.convert_to_tensor(a).clone().requires_grad_() for a in arrays]
        value = function(*tensors)
        import torch

        gradients = torch.autograd.grad(value, tensors)
    else:
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        gradients = tape.gradient(value, tensors)
    return ops.convert_to_numpy(value), [ops.convert_to_numpy(g) for g in gradients]


def assert_layer(make, shapes, tmp_path, losses=0, outputs=1):
    """The contract of every layer: config, build, specs, fit, saving, precision."""
    layer = make()
    config = layer.get_config()
    json.dumps(config)
    assert type(layer).from_config(config).get_config() == config
    inputs = [keras.Input(shape[1:], batch_size=shape[0]) for shape in shapes]
    symbolic = keras.tree.flatten(layer(*inputs))
    arrays = [np.random.default_rng(1).normal(size=s).astype("float32") for s in shapes]
    eager = keras.tree.flatten(layer(*arrays))
    assert len(eager) == len(symbolic) == outputs
    assert len(layer.losses) == losses
    for s, e in zip(symbolic, eager, strict=True):
        assert tuple(s.shape) == tuple(e.shape)
        assert keras.backend.standardize_dtype(e.dtype) == s.dtype
    computed = layer.compute_output_shape(*shapes)
    first = computed[0] if outputs > 1 else computed
    assert tuple(first) == tuple(eager[0].shape)
    _assert_trains_and_saves(inputs, symbolic[0], arrays, tmp_path)
    _assert_mixed_precision(make, arrays)


def _assert_trains_and_saves(inputs, output, arrays, tmp_path):
    model = keras.Model(inputs, output)
    model.compile("sgd", "mse")
    target = np.zeros(output.shape, "float32")
    before = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    model.fit(arrays, target, batch_size=arrays[0].shape[0], verbose=0)
    after = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    moved = [not np.array_equal(b, a) for b, a in zip(before, after, strict=True)]
    assert all(moved), [
        w.path for w, m in zip(model.weights, moved, strict=True) if not m
    ]
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(
        model.predict_on_batch(arrays), loaded.predict_on_batch(arrays)
    )
    loaded.fit(arrays, target, batch_size=arrays[0].shape[0], verbose=0)


def _assert_mixed_precision(make, arrays):
    layer = make()
    config = layer.get_config() | {"dtype": "mixed_bfloat16"}
    mixed = type(layer).from_config(config)
    output = keras.tree.flatten(mixed(*arrays))
    assert keras.backend.standardize_dtype(output[0].dtype) == "bfloat16"
    spec = mixed.compute_output_spec(*[keras.KerasTensor(a.shape) for a in arrays])
    assert keras.tree.flatten(spec)[0].dtype == "bfloat16"
    full = type(layer).from_config(config | {"dtype": "float32"})
    full.build(*[a.shape for a in arrays])
    full.set_weights(mixed.get_weights())
    reference = ops.convert_to_numpy(keras.tree.flatten(full(*arrays))[0])
    actual = ops.convert_to_numpy(ops.cast(output[0], "float32"))
    assert np.abs(actual - reference).max() <= 0.03 * np.abs(reference).max()
