"""insert_after with layers that are steered."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_condattn import insert_after, layers, models


def network(data_format, cls=keras.Model):
    shape = (4, 6, 3) if data_format == "channels_last" else (3, 4, 6)
    options = {"padding": "same", "data_format": data_format}
    stack = [
        keras.Input(shape, name="picture"),
        keras.layers.Conv2D(8, 3, **options, name="one"),
        keras.layers.Conv2D(8, 3, **options, name="two"),
        keras.layers.GlobalAveragePooling2D(data_format=data_format, name="pool"),
    ]
    if cls is keras.Sequential:
        return keras.Sequential(stack)
    x = stack[0]
    for layer in stack[1:]:
        x = layer(x)
    return keras.Model(stack[0], x)


def steered(model, data_format, make=layers.FiLM, **kwargs):
    return insert_after(
        model, "one|two", lambda name, channels: make(
            data_format=data_format, name=f"{name}_steered", **kwargs
        ), conditioning=keras.Input((2,), name="condition"),
    )  # fmt: skip


@pytest.mark.parametrize("cls", [keras.Model, keras.Sequential])
def test_starts_as_it_was_and_is_steered(cls, data_format, tmp_path):
    model = network(data_format, cls)
    model.compile("sgd", "mse")
    copy = steered(model, data_format, identity_start=True)
    assert isinstance(copy, models.ConditionedModel) and copy.compiled
    x = np.random.default_rng(0).normal(size=(4, *model.inputs[0].shape[1:]))
    both = {"image": x, "conditioning": np.eye(2)[[0, 1, 0, 1]]}
    expected = model.predict_on_batch(x)
    np.testing.assert_allclose(copy.predict_on_batch(both), expected, atol=1e-6)
    for name in ("one", "two"):
        for old, new in zip(
            model.get_layer(name).weights, copy.get_layer(name).weights, strict=True
        ):
            np.testing.assert_array_equal(*map(ops.convert_to_numpy, (old, new)))
    copy.fit(both, np.ones((4, 8)), verbose=0)
    after = copy.predict_on_batch(both)
    other = copy.predict_on_batch(both | {"conditioning": np.eye(2)[[1, 0, 1, 0]]})
    assert np.abs(after - other).max() > 1e-5
    copy.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(both), after)


def test_inside_penalises_from_within(data_format):
    copy = steered(network(data_format), data_format, layers.INSIDE, penalty=0.1)
    x = np.ones((2, *copy.input["image"].shape[1:]))
    copy({"image": x, "conditioning": np.eye(2)})
    assert len(copy.losses) == 2


def test_inputs_keep_their_names(data_format):
    shape = (4, 4, 2) if data_format == "channels_last" else (2, 4, 4)
    scans = {name: keras.Input(shape, name=name) for name in ("t2", "flair")}
    merged = keras.layers.Concatenate(1 if shape[0] == 2 else -1)(
        [scans["flair"], scans["t2"]]
    )
    one = keras.layers.Conv2D(4, 1, data_format=data_format, name="one")(merged)
    model = keras.Model(scans, {"map": one})
    copy = steered(model, data_format, identity_start=True)
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(2, *shape)) for name in scans}
    expected = model.predict_on_batch(x)["map"]
    got = copy.predict_on_batch(x | {"conditioning": np.eye(2)})["map"]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_bad_conditioning(data_format):
    model = network(data_format)
    with pytest.raises(ValueError, match=r"conditioning must be a keras.Input.*got 3"):
        insert_after(model, "one", lambda name, channels: None, conditioning=3)
    with pytest.raises(ValueError, match="has an input of that name"):
        steered(steered(model, data_format), data_format)
    outer = keras.Model(model.input, model(model.input))
    with pytest.raises(ValueError, match="within the model"):
        steered(outer, data_format)
    a, b = (keras.Input((4, 4, 8)) for _ in range(2))
    add = keras.Model([a, b], keras.layers.Add(name="one")([a, b]))
    with pytest.raises(ValueError, match="several inputs without names"):
        steered(add, data_format)
