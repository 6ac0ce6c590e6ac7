"""Weights are loaded whole, or the model stays as it was."""

import pathlib

import keras
import numpy as np
import pytest

from keras_condattn.weights import load_into


def values(model):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def trained(make, **kwargs):
    model = make(**kwargs)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0)
    return model


def test_none_leaves_the_model_as_it_is(make_tiny):
    model = make_tiny()
    before = values(model)
    assert load_into(model, None, "TinyNet") is model
    assert_same(values(model), before)


def test_a_registered_name_loads(published, make_tiny):
    model = load_into(make_tiny(), "small", "TinyNet")
    x = np.ones((2, 4), "float32")
    assert_same(published.model.predict_on_batch(x), model.predict_on_batch(x))


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".weights.h5", str), (".keras", pathlib.Path)]
)
def test_a_path_loads_with_or_without_an_optimizer(house, make_tiny, suffix, kind):
    source = trained(make_tiny)
    path = house.home / f"mine{suffix}"
    (source.save if suffix == ".keras" else source.save_weights)(path)
    model = load_into(make_tiny(), kind(path), "TinyNet")
    assert_same(source.get_weights(), model.get_weights())


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_changes_nothing(house, make_tiny, suffix, keep):
    source = make_tiny()
    path = house.home / f"mine{suffix}"
    (source.save if suffix == ".keras" else source.save_weights)(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    model = make_tiny()
    before = values(model)
    with pytest.raises(ValueError, match=r"^weights: .*mine.* is damaged") as caught:
        load_into(model, path, "TinyNet")
    assert caught.value.__cause__ is not None and "\n" not in str(caught.value)
    assert_same(values(model), before)


@pytest.mark.parametrize("other", [{"deep": True}, {"units": 5}])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_file_of_another_network_changes_nothing(house, make_tiny, other, swapped):
    wanted, given = ({}, other) if swapped else (other, {})
    path = house.home / "other.weights.h5"
    make_tiny(**given).save_weights(path)
    model = make_tiny(**wanted)
    before = values(model)
    with pytest.raises(ValueError, match=r"weights: .*is not of this TinyNet"):
        load_into(model, path, "TinyNet")
    assert_same(values(model), before)


def test_a_failure_half_way_is_undone(house, make_tiny, monkeypatch):
    path = house.home / "mine.weights.h5"
    make_tiny().save_weights(path)
    model = make_tiny()
    before = values(model)

    def fail(store):
        raise OSError("disk gone")

    monkeypatch.setattr(model.layers[-1], "load_own_variables", fail)
    with pytest.raises(ValueError, match="left as it was"):
        load_into(model, path, "TinyNet")
    assert_same(values(model), before)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("smal", "Did you mean 'small'"),
        ("None", "pass None, not a text"),
        ("/nowhere/x.weights.h5", "existing .weights.h5 or .keras file"),
        (3, "weights must be None, a registered name or a path, got 3"),
    ],
)
def test_a_wrong_argument_is_named(published, make_tiny, weights, message):
    with pytest.raises(ValueError, match=message):
        load_into(make_tiny(), weights, "TinyNet")


def test_a_missing_path_or_another_kind_of_file_is_named(house, make_tiny):
    with pytest.raises(ValueError, match="must name an existing file, got"):
        load_into(make_tiny(), house.home / "none.weights.h5", "TinyNet")
    path = house.home / "released.pth"
    path.touch()
    with pytest.raises(ValueError, match=r"\.weights\.h5 or \.keras.*load_official"):
        load_into(make_tiny(), str(path), "TinyNet")
