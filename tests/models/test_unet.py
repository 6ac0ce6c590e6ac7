"""The U-Net builder: geometry, conditioning, sizes, precision, export."""

import keras
import numpy as np
import pytest
from helpers import from_format, to_format
from keras import ops

from keras_condattn import layers
from keras_condattn.models import ConditionedModel, unet
from keras_condattn.models.unet import level_names

SMALL = {"filters": 4, "depth": 2, "conditioning_size": 3}


def shape(size, channels, data_format):
    size = tuple(size)
    return (channels, *size) if data_format == "channels_first" else (*size, channels)


def inputs(size, channels, data_format, batch=2):
    rng = np.random.default_rng(0)
    return {
        "image": rng.normal(size=(batch, *shape(size, channels, data_format))).astype(
            "float32"
        ),
        "conditioning": rng.normal(size=(batch, 3)).astype("float32"),
    }


KINDS = [(kind, (8, 12)) for kind in ("inside", "film", "guiding", None)]


@pytest.mark.parametrize(
    ("conditioning", "size"), [*KINDS, ("inside", (8,)), ("guiding", (8, 4, 8))]
)
def test_fits_saves_and_goes_on(conditioning, size, data_format, tmp_path):
    model = unet(
        shape(size, 1, data_format), 2, conditioning=conditioning, **SMALL,
        data_format=data_format,
    )  # fmt: skip
    x = inputs(size, 1, data_format)
    x = x if conditioning else x["image"]
    y = np.zeros((2, *shape(size, 2, data_format)), "float32")
    model.compile("adam", "mse")
    first = model.fit(x, y, verbose=0).history["loss"][0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, ConditionedModel) == bool(conditioning)
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    assert expected.shape == y.shape
    later = [m.fit(x, y, verbose=0).history["loss"][0] for m in (model, loaded)]
    assert later[0] == pytest.approx(later[1], rel=1e-5)
    assert later[0] < first


@pytest.mark.parametrize("upsampling", ["transpose", "nearest"])
@pytest.mark.parametrize("normalization", ["batch", "group", "instance", "layer", None])
def test_data_formats_agree(upsampling, normalization):
    make = {
        f: unet(
            shape((8, 12), 3, f), 2, conditioning="inside", condition_at="all", **SMALL,
            normalization=normalization, upsampling=upsampling, data_format=f,
        )
        for f in ("channels_last", "channels_first")
    }  # fmt: skip
    make["channels_first"].set_weights(make["channels_last"].get_weights())
    x = inputs((8, 12), 3, "channels_last")
    expected = make["channels_last"].predict_on_batch(x)
    x["image"] = to_format(x["image"], "channels_first")
    actual = make["channels_first"].predict_on_batch(x)
    np.testing.assert_allclose(
        from_format(actual, "channels_first"), expected, rtol=1e-4, atol=1e-5
    )


def test_condition_steers_each_image(data_format):
    model = unet(
        shape((8, 8), 1, data_format), 1, conditioning="film",
        condition_at=("bottleneck", "decoder_s1"), **SMALL, data_format=data_format,
    )  # fmt: skip
    x = inputs((8, 8), 1, data_format)
    x["image"][1] = x["image"][0]
    a, b = model.predict_on_batch(x)
    assert np.abs(a - b).max() > 1e-3
    x["conditioning"][1] = x["conditioning"][0]
    a, b = model.predict_on_batch(x)
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_levels():
    assert level_names(2) == [
        "encoder_s1", "encoder_s2", "bottleneck", "decoder_s2", "decoder_s1",
    ]  # fmt: skip
    counts = {"bottleneck": 1, "encoder": 2, "decoder": 2, "all": 5}
    for at, count in counts.items():
        model = unet((8, 8, 1), 1, conditioning="film", condition_at=at, **SMALL,
                     data_format="channels_last")  # fmt: skip
        assert sum(isinstance(x, layers.FiLM) for x in model.layers) == count


def test_a_layer_or_what_makes_one():
    def made(conditioning, at=("bottleneck",)):
        model = unet((8, 8, 1), 1, conditioning=conditioning, condition_at=at, **SMALL,
                     data_format="channels_last")  # fmt: skip
        return [x for x in model.layers if isinstance(x, layers.INSIDE)]

    layer = layers.INSIDE(max_sigma=2.0, data_format="channels_last")
    assert made(layer) == [layer]
    copies = made(layers.INSIDE(max_sigma=2.0, data_format="channels_last"), "all")
    assert len(copies) == 5 and all(c.max_sigma == 2.0 for c in copies)
    assert len(made(lambda: layers.INSIDE(data_format="channels_last"))) == 1
    (by_name,) = made_by_name = [
        x
        for x in unet((8, 8, 1), 1, conditioning="inside", **SMALL,
                      conditioning_options={"max_sigma": 9.0},
                      data_format="channels_last").layers
        if isinstance(x, layers.INSIDE)
    ]  # fmt: skip
    assert made_by_name and by_name.max_sigma == 9.0


def test_any_size_and_what_does_not_divide(data_format):
    model = unet(shape((None, None), 1, data_format), 1, conditioning="inside",
                 **SMALL, data_format=data_format)  # fmt: skip
    for size in ((8, 8), (12, 4), (16, 20)):
        output = model.predict(inputs(size, 1, data_format), verbose=0)
        assert output.shape == (2, *shape(size, 1, data_format))
    with pytest.raises(ValueError, match=r"multiple of 4.*\(10, 8\).*to \(12, 8\)"):
        model.predict(inputs((10, 8), 1, data_format), verbose=0)


@pytest.mark.parametrize("conditioning", ["inside", "guiding"])
def test_return_attention(conditioning, data_format):
    arguments = {**SMALL, "conditioning": conditioning, "condition_at": "decoder"}
    size = shape((8, 8), 1, data_format)
    plain = unet(size, 1, **arguments, data_format=data_format)
    shown = unet(size, 1, **arguments, data_format=data_format, return_attention=True)
    shown.set_weights(plain.get_weights())
    x = inputs((8, 8), 1, data_format)
    output = shown.predict_on_batch(x)
    assert set(output) == {"mask", "attention_decoder_s2", "attention_decoder_s1"}
    np.testing.assert_allclose(output["mask"], plain.predict_on_batch(x), atol=1e-6)
    channels = 8 if conditioning == "inside" else 1
    expected = (2, *shape((4, 4), channels, data_format))
    assert output["attention_decoder_s2"].shape == expected


def test_skips_can_be_left_out():
    with_skips, without = (
        unet((8, 8, 1), 1, **SMALL, skips=skips, data_format="channels_last")
        for skips in (True, False)
    )
    assert with_skips.count_params() > without.count_params()
    kinds = [type(x).__name__ for x in without.layers]
    assert "Concatenate" not in kinds


def test_trains_in_bfloat16(data_format):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = unet(shape((8, 8), 1, data_format), 1, conditioning="inside",
                     condition_at="all", **SMALL, data_format=data_format)  # fmt: skip
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = inputs((8, 8), 1, data_format), np.ones((2, *shape((8, 8), 1, data_format)))
    model.compile("adam", "mse")
    losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert model.predict(x, verbose=0).dtype == "float32"
    assert all(w.dtype == "float32" for w in model.trainable_weights)


BAD = {
    "conditioning": (
        {"conditioning": "inisde"},
        "conditioning must be.*inisde",
    ),
    "no layer": ({"conditioning": 3}, "conditioning must be one of.*got 3"),
    "makes no layer": ({"conditioning": lambda: 3}, "must return a keras layer, got 3"),
    "level": (
        {"condition_at": ("encoder_s4",)},
        r"condition_at must name levels.*decoder_s1.*'encoder_s4'",
    ),
    "no level": ({"condition_at": ()}, "condition_at must name at least one"),
    "size": ({"input_shape": (10, 8, 1)}, r"input_shape.*multiple of 4.*\(12, 8\)"),
    "rank": ({"input_shape": (8,)}, r"input_shape must be \(\*S, C\)"),
    "channels": ({"input_shape": (8, 8, None)}, "input_shape must give the channels"),
    "vector": ({"conditioning_size": None}, "conditioning_size must give the length"),
    "classes": ({"classes": 0}, "classes must be a positive integer, got 0"),
    "filters": ({"filters": (4, 8)}, "filters must have one entry a level"),
    "depth": ({"depth": -1}, "depth must be a non-negative integer, got -1"),
    "norm": ({"normalization": "btach"}, "normalization must be one of.*'btach'"),
    "up": ({"upsampling": "cubic"}, "upsampling must be.*'cubic'"),
    "options": (
        {"conditioning": layers.FiLM, "conditioning_options": {"gain": "gamma"}},
        "conditioning_options are for a conditioning given by name",
    ),
    "no map": (
        {"conditioning": "film", "return_attention": True},
        "gives no attention map",
    ),
    "format": (
        {"conditioning": lambda: layers.FiLM(data_format="channels_first")},
        "is channels_first, the network is channels_last",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case):
    arguments, message = BAD[case]
    good = {"input_shape": (8, 8, 1), "classes": 1, "conditioning": "film", **SMALL}
    with pytest.raises(ValueError, match=message):
        unet(**{**good, **arguments}, data_format="channels_last")


def conditioned():
    return unet((8, 8, 1), 1, conditioning="inside", **SMALL,
                data_format="channels_last")  # fmt: skip


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch",
                                    "test_on_batch", "predict_on_batch"])  # fmt: skip
def test_bad_conditioning_is_seen_before_anything_changes(method):
    model = conditioned()
    model.compile("sgd", "mse")
    before = model.get_weights()
    x = inputs((8, 8), 1, "channels_last")
    targets = () if "predict" in method else (np.zeros((2, 8, 8, 1)),)
    broken = {**x, "conditioning": x["conditioning"].copy()}
    broken["conditioning"][1, 0] = np.nan
    with pytest.raises(ValueError, match=r"conditioning must be finite.*\[1\] of 2"):
        getattr(model, method)(broken, *targets)
    broken["conditioning"] = x["conditioning"][:1]
    with pytest.raises(ValueError, match="each of the 2 images, got 1"):
        getattr(model, method)(broken, *targets)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_data_are_checked_too():
    model = conditioned()
    model.compile("sgd", "mse")
    x, y = inputs((8, 8), 1, "channels_last"), np.zeros((2, 8, 8, 1))
    broken = {**x, "conditioning": np.full((2, 3), np.nan)}
    with pytest.raises(ValueError, match="conditioning must be finite"):
        model.fit(x, y, validation_data=(broken, y), verbose=0)


def test_penalty_reaches_the_loss():
    model = conditioned()
    x, y = inputs((8, 8), 1, "channels_last"), np.zeros((2, 8, 8, 1))
    model.compile("sgd", "mse")
    total = model.evaluate(x, y, verbose=0)
    model(x)
    penalty = float(ops.convert_to_numpy(model.losses[0]))
    plain = float(np.mean(model.predict(x, verbose=0) ** 2))
    assert penalty > 0
    assert total == pytest.approx(plain + penalty, rel=1e-4)
