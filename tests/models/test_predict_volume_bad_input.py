"""What `predict_volume` refuses, and how it says so."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_condattn import predict_volume
from keras_condattn.models import ConditionedModel


def image_input(size=(None, None), channels=1):
    first = keras.config.image_data_format() == "channels_first"
    shape = (channels, *size) if first else (*size, channels)
    return keras.Input(shape, name="image")


def conditioned():
    image = image_input()
    vector = keras.Input((1,), name="conditioning")
    logit = image + ops.reshape(vector, (-1, 1, 1, 1))
    return ConditionedModel({"image": image, "conditioning": vector}, logit)


def unconditioned(size):
    image = image_input(size)
    return keras.Model(image, 2 * image)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, r"volume\['image'\] must hold grey levels .*got shape \(\)"),
        ({"image": np.ones((4, 4))}, r"must hold .*got shape \(4, 4\)"),
        ({"image": np.ones((2, 0, 4))}, r"must hold .*got shape \(2, 0, 4\)"),
        ({"image": np.full((2, 8, 8), "a")}, r"must hold grey levels .*<U1"),
        ({"image": np.full((2, 8, 8), np.nan)}, r"volume\['image'\] must be finite"),
        ({"spacing": (1, 1)}, r"volume\['spacing'\] must be .*got \(1, 1\)"),
        ({"spacing": 1.5}, r"volume\['spacing'\] must be .*got 1.5"),
        ({"spacing": None}, r"volume\['spacing'\] must be .*got None"),
        ({"spacing": (8, 0, 1)}, r"volume\['spacing'\] must be .*above 0"),
        ({"spacing": (np.nan, 1, 1)}, r"volume\['spacing'\] must be"),
        ({"spacing": (np.nan,) * 3}, r"volume\['spacing'\] must be"),
        ({"conditioning": np.ones((3, 1))}, r"must be \(2, 1\), one .*got shape \(3,"),
        ({"conditioning": np.ones(2)}, r"must be \(2, 1\), one vector for each slice"),
        ({"conditioning": [["a"], ["b"]]}, r"must be \(2, 1\), one vector"),
        ({"conditioning": [[1], [np.nan]]}, r"volume\['conditioning'\] must be finite"),
    ],
)
def test_a_volume_that_does_not_fit_is_named(changes, message):
    volume = {"image": np.ones((2, 8, 8)), "spacing": (8, 1, 1),
              "conditioning": np.ones((2, 1))}  # fmt: skip
    model = conditioned()
    with pytest.raises(ValueError, match=message):
        predict_volume(model, volume | changes, preprocessing={"spacing": 1})


def test_a_volume_that_lacks_something_is_named():
    model = conditioned()
    with pytest.raises(ValueError, match=r"missing are \['spacing', 'conditioning'\]"):
        predict_volume(model, {"image": np.ones((2, 8, 8))}, preprocessing={})
    with pytest.raises(ValueError, match="volume must be a dict"):
        predict_volume(model, np.ones((2, 8, 8)), preprocessing={})


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (None, "preprocessing must say how slices were made"),
        ("zscore", "preprocessing must be a dict such as"),
        ({"scale": 255}, r"preprocessing may hold normalise, .* got also \['scale'\]"),
        ({"normalise": "minmax"}, "must give normalise as one of"),
        ({"spacing": 0}, "must give spacing as .down, right. or one number"),
        ({"spacing": (1, np.inf)}, "must give spacing as"),
        ({"spacing": (1, 1, 1)}, "must give spacing as"),
        ({"size": "8x8"}, "must give size as .*'8x8'"),
        ({"size": (8, 7.5)}, "must give size in whole pixels, got .8, 7.5."),
        ({"size": (8, -8)}, "must give size as"),
        (
            {"size": (4, 8)},
            r"makes slices of \(4, 8\) pixels, the model takes \(8, 8\)",
        ),
        ({"recentre": -1}, "must give recentre as mm or None, got -1"),
        ({"recentre": True}, "must give recentre as mm or None, got True"),
        ({"largest_component": 1}, "must give largest_component as a bool, got 1"),
    ],
)
def test_preprocessing_that_says_something_else_is_named(steps, message):
    model = unconditioned((8, 8))
    volume = {"image": np.ones((2, 8, 8)), "spacing": (8, 1, 1)}
    with pytest.raises(ValueError, match=message):
        predict_volume(model, volume, preprocessing=steps)


def test_a_record_that_only_describes_is_refused_with_the_way_out():
    model = conditioned()
    model.preprocessing = {"image": "RGB / 255", "size": "96x96"}
    with pytest.raises(
        ValueError, match=r"model.preprocessing may .*\['image'\]; pass"
    ):
        predict_volume(model, {})


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, None])
def test_a_batch_size_that_is_none_is_named(batch_size):
    model = conditioned()
    with pytest.raises(ValueError, match="batch_size must be"):
        predict_volume(model, {}, preprocessing={}, batch_size=batch_size)


def strange_models():
    image, many = image_input(), image_input((6, 7), channels=3)
    vector = keras.Input((1,), name="conditioning")
    row = keras.Input((5, 1), name="row")
    return {
        "must be a built functional model": keras.Sequential(),
        "'row'": keras.Model({"image": image, "row": row}, image),
        "one channel": keras.Model(many, many),
        r"output None": keras.Model(image, {"logits": image}),
        r"output \(None,\)": keras.Model(image, ops.max(image, axis=(1, 2, 3))),
        r"'input': None": keras.Model([image, vector], image),
        "for each of": keras.Model(image, keras.layers.MaxPooling2D()(image)),
        "NaN": keras.Model(image, ops.log(-1 - ops.square(image))),
    }


def test_a_model_of_another_kind_is_named():
    volume = {"image": np.ones((2, 8, 8)), "spacing": (8, 1, 1)}
    for message, model in strange_models().items():
        with pytest.raises(ValueError, match=f"model .*{message}|{message}"):
            predict_volume(model, volume, preprocessing={})
