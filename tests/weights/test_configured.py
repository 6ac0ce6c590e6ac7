"""A registered name configures its factory; contradictions are refused first."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest

from keras_condattn import predict_volume
from keras_condattn.applications import InsideUNet
from keras_condattn.weights import configured, find, from_registry, places, publish

CALLS = []


def TinyNet(
    input_shape=(200, 200, 3),
    units=2,
    filters=(1,),
    options=None,
    weights=None,
    data_format=None,
    name=None,
):
    """Builds a dense layer, and notes what it was asked for."""
    CALLS.append(dict(locals()))
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(units)(inputs))


def HungryNet(input_shape, units, weights=None):
    """Has arguments without defaults and no data format."""
    return TinyNet(input_shape, units)


@pytest.fixture
def factory():
    CALLS.clear()
    return from_registry(TinyNet)


@pytest.fixture
def small(house, facts):
    model = TinyNet(units=3)
    CALLS.clear()
    return publish(model, facts)


@pytest.fixture
def last(monkeypatch):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    yield
    keras.config.set_image_data_format(before)


def test_signature_and_docstring_stay(factory):
    assert inspect.signature(factory) == inspect.signature(TinyNet)
    assert factory.__doc__ == TinyNet.__doc__ and factory.__name__ == "TinyNet"


@pytest.mark.parametrize(
    ("data_format", "expected"),
    [(None, (200, 200, 3)), ("channels_first", (3, 200, 200))],
)
def test_the_default_shape_is_turned_to_the_data_format(
    factory, house, last, data_format, expected
):
    factory(data_format=data_format)
    assert CALLS[0]["input_shape"] == expected
    factory((7, 8, 9), data_format=data_format)
    assert CALLS[1]["input_shape"] == (7, 8, 9)


def test_the_data_format_in_force_counts(factory, house, last):
    keras.config.set_image_data_format("channels_first")
    factory()
    factory(data_format="channels_last")
    assert [c["input_shape"] for c in CALLS] == [(3, 200, 200), (200, 200, 3)]


def test_a_registered_name_needs_nothing_else(factory, small, last):
    model = factory(weights="small")
    asked = {"input_shape": (None, 96, 3), "units": 3, "filters": (4, 8)}
    assert asked.items() <= CALLS[0].items()
    assert CALLS[0]["options"] == {"at": (1, 2)} and CALLS[0]["weights"] is None
    again = factory(weights="small", data_format="channels_first")
    assert CALLS[1]["input_shape"] == (3, None, 96)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_registered_name_brings_its_preprocessing(factory, small, house, last):
    model = factory(weights="small")
    assert model.preprocessing == {"scale": "divide by 255"}
    model.preprocessing["scale"] = "none"
    assert factory(weights="small").preprocessing == {"scale": "divide by 255"}
    assert not hasattr(factory(), "preprocessing")
    path = house.home / "mine.weights.h5"
    model.save_weights(path)
    assert not hasattr(factory(units=3, weights=path), "preprocessing")


@pytest.mark.parametrize("conditioning", ["film", None])
def test_a_registered_network_predicts_volumes_with_nothing_else(
    house, facts, last, data_format, conditioning, tmp_path
):
    keras.config.set_image_data_format(data_format)
    config = {"input_shape": (8, 8, 1), "conditioning_size": 1, "classes": 2,
              "conditioning": conditioning, "filters": 2, "depth": 1}  # fmt: skip
    shape = (1, 8, 8) if data_format == "channels_first" else (8, 8, 1)
    source = InsideUNet(**{**config, "input_shape": shape})
    rng = np.random.default_rng(4)
    kernels = [rng.normal(size=w.shape) if w.ndim > 1 else w
               for w in source.get_weights()]  # fmt: skip
    source.set_weights(kernels)
    steps = {"normalise": "zscore", "spacing": (1.5, 1.25), "size": (8, 8)}
    changes = {"architecture": "InsideUNet", "config": config, "preprocessing": steps}
    record = publish(source, dataclasses.replace(facts, **changes))
    image = rng.normal(size=(3, 12, 10))
    volume = {"image": image, "spacing": (8, 1, 1), "conditioning": [[0], [1], [2]]}
    model = InsideUNet(weights="small")
    label = predict_volume(model, volume)
    for given in (
        steps,
        record.preprocessing,
        find("InsideUNet", "small").preprocessing,
    ):
        np.testing.assert_array_equal(
            predict_volume(source, volume, preprocessing=given), label
        )
    assert 0 < label.mean() < 1
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    if conditioning:
        np.testing.assert_array_equal(predict_volume(loaded, volume), label)
    else:
        with pytest.raises(ValueError, match="preprocessing must say"):
            predict_volume(loaded, volume)


def test_equal_arguments_and_free_ones_are_accepted(factory, small, last):
    factory((64, 96, 3), 3, [4, 8], {"at": (1, 2)}, weights="small", name="mine")
    asked = {"input_shape": (64, 96, 3), "filters": [4, 8], "name": "mine"}
    assert asked.items() <= CALLS[0].items()
    shape = np.array([3, 64, 96])
    factory(shape, weights="small", data_format="channels_first")
    assert CALLS[1]["input_shape"] is shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": 4}, "units=4 where they have 3"),
        ({"filters": (4, 9)}, r"filters=\(4, 9\) where they have \(4, 8\)"),
        (
            {"input_shape": (96, 64, 3)},
            r"\(96, 64, 3\) where they have \(None, 96, 3\)",
        ),
        ({"options": {"at": (1, 3)}}, "options=.* where they have"),
        ({"input_shape": (96, 3)}, r"\(96, 3\) where they have"),
        ({"input_shape": None}, "input_shape=None where they have"),
        ({"units": 4, "filters": 1}, "filters=1 where.*; units=4 where"),
    ],
)
def test_contradictions_are_refused_before_anything_is_looked_for(
    factory, small, last, monkeypatch, given, message
):
    monkeypatch.setattr(places, "sha256_of", lambda path: pytest.fail("looked for it"))
    with pytest.raises(ValueError, match=message) as caught:
        factory(**given, weights="small")
    assert "weights='small'" in str(caught.value) and not CALLS


def test_a_shape_is_compared_in_the_order_it_is_given_in(factory, small, last):
    message = r"\(64, 96, 3\) where they have \(3, None, 96\)"
    with pytest.raises(ValueError, match=message):
        factory((64, 96, 3), weights="small", data_format="channels_first")


def test_a_factory_without_defaults_is_configured_too(house, facts):
    config = {"input_shape": [8, 8, 1], "units": 3}
    renamed = dataclasses.replace(facts, architecture="HungryNet", config=config)
    publish(TinyNet(units=3), renamed)
    hungry = from_registry(HungryNet)
    assert hungry(weights="small").output_shape == (None, 3)
    with pytest.raises(TypeError, match="missing 2 required"):
        hungry()
    with pytest.raises(TypeError, match=r"HungryNet\(\) got an unexpected .*'colour'"):
        hungry(colour=1)


def test_a_path_brings_no_arguments(factory, house):
    path = house.home / "mine.weights.h5"
    source = TinyNet(units=4)
    source.save_weights(path)
    model = factory(units=4, weights=path)
    np.testing.assert_array_equal(model.get_weights()[0], source.get_weights()[0])
    with pytest.raises(ValueError, match="is not of this TinyNet"):
        factory(units=5, weights=str(path))


def test_an_unknown_name_is_refused_before_building(factory, small):
    with pytest.raises(ValueError, match="'smal' is not registered for TinyNet"):
        factory(weights="smal")
    assert not CALLS


def test_a_record_for_another_factory_is_refused(factory, house, facts):
    publish(TinyNet(), dataclasses.replace(facts, config={"depth": 3}))
    with pytest.raises(
        ValueError, match="record sets depth, which TinyNet does not take"
    ):
        factory(weights="small")


@pytest.mark.parametrize(
    "wrong", [lambda units=1: None, lambda weights=None, **kwargs: None]
)
def test_a_factory_must_name_its_parameters(wrong):
    with pytest.raises(TypeError, match="must name all its parameters"):
        configured.from_registry(wrong)
