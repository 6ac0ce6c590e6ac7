"""Grad-CAM and Grad-CAM++: their formulas on true gradients, any model left alone."""

import keras
import numpy as np
import pytest
from helpers import assert_close, from_format, to_format, value_and_gradients
from keras import ops

from keras_condattn.applications import CrossModalityCAM
from keras_condattn.models import cam_network, grad_cam, grad_cam_plus_plus

LAST = {"data_format": "channels_last"}
STOCHASTIC = (keras.layers.BatchNormalization, keras.layers.Dropout)


def network(data_format="channels_last", size=(6, 5)):
    """Everything that training would change or add to: all of it must not count."""
    axis = 1 if data_format == "channels_first" else -1
    shape = to_format(np.zeros((1, 6, 5, 2)), data_format).shape[1:]
    if size[0] is None:
        shape = tuple(n if n == 2 else None for n in shape)
    image = keras.Input(shape)
    layout = {"data_format": data_format}
    x = keras.layers.Conv2D(4, 3, activation="relu", name="features", **layout)(image)
    head = [
        keras.layers.ActivityRegularization(l2=1.0),
        keras.layers.BatchNormalization(axis=axis),
        keras.layers.Dropout(0.5),
        keras.layers.Conv2D(3, 2, activation="tanh", **layout),
        keras.layers.GlobalAveragePooling2D(**layout),
        keras.layers.Dense(3, kernel_regularizer="l2", name="scores"),
    ]
    y = x
    for layer in head:
        y = layer(y)
    model = keras.Model(image, y)
    rng = np.random.default_rng(0)
    for w in model.weights:
        low = 0.2 if "variance" in w.path else -0.5
        w.assign(rng.uniform(low, 1, w.shape))
    return model, keras.Model(image, x), head


def images(count=3, data_format="channels_last", size=(6, 5)):
    made = np.random.default_rng(1).normal(size=(count, *size, 2)).astype("float32")
    return to_format(made, data_format)


def by_hand(features, head, x, data_format):
    """(activation, [gradient of each class]), channels last."""
    activation = ops.convert_to_numpy(features(x))

    def score(a, number):
        for layer in head:
            given = {"training": False} if layer.__class__ in STOCHASTIC else {}
            a = layer(a, **given)
        return ops.sum(a[:, number])

    gradients = [
        value_and_gradients(lambda a, k=k: score(a, k), activation)[1][0]
        for k in range(3)
    ]
    return (from_format(activation, data_format),
            [from_format(g, data_format) for g in gradients])  # fmt: skip


def plus_plus(a, g):
    total = a.sum((1, 2), keepdims=True)
    alpha = np.where(g == 0, 0, g**2 / np.where(g == 0, 1, 2 * g**2 + total * g**3))
    return (alpha * g.clip(0)).sum((1, 2))


def test_formulas_on_true_gradients(data_format):
    model, features, head = network(data_format)
    x = images(data_format=data_format)
    a, gradients = by_hand(features, head, x, data_format)
    weights = {grad_cam: lambda g: g.mean((1, 2)),
               grad_cam_plus_plus: lambda g: plus_plus(a, g)}  # fmt: skip
    for function, weigh in weights.items():
        expected = np.stack(
            [np.einsum("bhwc,bc->bhw", a, weigh(g)).clip(0) for g in gradients], -1
        )
        # The last batch is not full.
        maps = function(model, x, "features", batch_size=2)
        assert maps.dtype == "float32" and (maps > 0).any()
        assert_close(maps, expected, 1e-4)


def test_chosen_classes_and_any_size():
    model, _, _ = network(size=(None, None))
    x = images(2, size=(7, 9))
    maps = grad_cam(model, x, "features")
    assert maps.shape == (2, 5, 7, 3)
    chosen = grad_cam(model, x, "features", classes=(2, 0))
    np.testing.assert_array_equal(chosen, maps[..., [2, 0]])


def test_it_is_the_class_activation_map_of_a_linear_head(data_format):
    x = images(2, data_format, (8, 16))
    model = cam_network(x.shape[1:], filters=2, data_format=data_format)
    cam = from_format(
        model.predict(x, verbose=0)["class_activation_map"], data_format
    ).clip(0)  # fmt: skip
    for layer in ("backbone_relu", "class_activation_map"):
        assert_close(grad_cam(model, x, layer), cam / (8 * 16), 1e-4)


def test_a_network_of_several_modalities_by_paths():
    model = CrossModalityCAM((8, 8, 1), ("t1", "t2"), filters=2, **LAST)
    model.compile("sgd")
    x = {m: images(2, size=(8, 8))[..., :1] for m in ("t2", "t1")}
    x["t2"] = x["t2"] * np.linspace(0, 1, 8)[:, None].astype("float32")
    out = model.predict(x, verbose=0)
    for m in x:
        maps = grad_cam(model, x, f"{m}_network/backbone_relu", output=f"{m}/logits")
        cam = out[m]["class_activation_map"].clip(0)
        assert_close(maps, cam / 64, 1e-4)
    with pytest.raises(ValueError, match=r"several, give one of \['t1_network/"):
        grad_cam(model, x, "backbone_relu", output="t1/logits")
    with pytest.raises(ValueError, match="scores do not depend on 't2_network/back"):
        grad_cam(model, x, "t2_network/backbone_relu", output="t1/logits")
    with pytest.raises(ValueError, match=r"one of \['t1/logits', 't2/logits'\], got N"):
        grad_cam(model, x, "t1_network/backbone_relu")


def test_sequences_and_sequential():
    model = keras.Sequential([
        keras.Input((6, 2)), keras.layers.Conv1D(3, 2, name="conv", **LAST),
        keras.layers.GlobalAveragePooling1D(**LAST), keras.layers.Dense(2),
    ])  # fmt: skip
    x = images(2, size=(6, 1))[:, :, 0]
    a = ops.convert_to_numpy(model.layers[0](x))
    kernel = ops.convert_to_numpy(model.layers[2].kernel)
    assert_close(grad_cam(model, x, "conv"), (a @ kernel / 5).clip(0), 1e-4)


def test_the_model_is_left_as_it_is():
    model, _, _ = network()
    model.layers[1].trainable = False
    model.compile("adam", "mse")
    x, y = images(), np.zeros((3, 3))
    model.train_on_batch(x, y)

    def state():
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        return ([ops.convert_to_numpy(v) for v in variables],
                [v.trainable for v in model.variables], model.compiled)  # fmt: skip

    before = state()
    grad_cam(model, x, "features", classes=1)
    after = state()
    assert before[1:] == after[1:]
    for one, other in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(one, other)
    model.train_on_batch(x, y)


def test_a_layer_called_twice_explains_nothing():
    inputs = [keras.Input((4, 4, 2)) for _ in range(2)]
    conv = keras.layers.Conv2D(2, 3, name="twice", **LAST)
    pool = keras.layers.GlobalAveragePooling2D(**LAST)
    model = keras.Model(inputs, pool(conv(inputs[0]) + conv(inputs[1])))
    x = [images(1, size=(4, 4))] * 2
    with pytest.raises(ValueError, match="'twice' is called 2 times"):
        grad_cam(model, x, "twice")


@pytest.mark.parametrize(("given", "message"), [
    ({"layer": "feature"}, "layer must be the name.*'features'.*got 'feature'"),
    ({"layer": "scores"}, r"'scores' must put out \(B, \*S, C\).*got \(3, 3\)"),
    ({"classes": 3}, "classes must be class numbers from 0 to 2, or None, got 3"),
    ({"classes": ()}, "classes"),
    ({"classes": 1.0}, "classes"),
    ({"output": "logits"}, "output must name.*got 'logits'"),
    ({"batch_size": 0}, "batch_size must be a positive whole number, got 0"),
    ({"data_format": "NHWC"}, "data_format"),
    ({"images": np.zeros((3, 6, 4, 2))}, r"images must have shape \(None, 6, 5, 2\)"),
    ({"images": np.zeros((0, 6, 5, 2))}, "at least one sample"),
    ({"images": {"a": np.zeros((3, 6, 5, 2))}}, "images must be arrays"),
])  # fmt: skip
def test_bad_arguments(given, message):
    model, _, _ = network()
    arguments = {"images": images(), "layer": "features"} | given
    x, layer = arguments.pop("images"), arguments.pop("layer")
    with pytest.raises(ValueError, match=message):
        grad_cam(model, x, layer, **arguments)


def test_models_without_a_graph():
    class Plain(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="functional or Sequential model.*Plain"):
        grad_cam(Plain(), images(), "features")
    with pytest.raises(ValueError, match="no input shape yet"):
        grad_cam(keras.Sequential([keras.layers.Dense(2)]), images(), "dense")
