"""Dice against loops over pixels, in both data formats, jitted, in fit, saved."""

import itertools
import json
import math

import keras
import numpy as np
import pytest
from helpers import to_format
from keras import ops

from keras_condattn.metrics import DiceScore, dice_score


def brute(truth, scores, classes, threshold=0.5, average="image", empty="skip",
          background=False, ignore=None):  # fmt: skip
    """{class: Dice} of probabilities (B, *S, classes), pixel by pixel."""
    found = {}
    for c in range(int(not background), max(classes, 2)):
        images = []
        for t_image, p_image in zip(truth, scores, strict=True):
            common = extent = 0.0
            for t, p in zip(t_image.ravel(), p_image.reshape(-1, classes), strict=True):
                if t == ignore:
                    continue
                c_or_0 = c if classes > 1 else 0
                hit = t == c if classes > 1 else t > 0.5
                got = p[c_or_0]
                if threshold is not None:
                    got = p.argmax() == c if classes > 1 else got > threshold
                common, extent = common + 2 * hit * got, extent + hit + got
            images.append((common, extent))
        if average == "pooled":
            images = [tuple(map(sum, zip(*images, strict=True)))]
        values = [a / b if b else empty for a, b in images]
        values = [v for v in values if v != "skip"]
        found[c] = np.mean(values) if values else math.nan
    return found


def example(rng, classes, spatial=(5, 6)):
    """Four distinct images: ordinary, empty truth, empty both ways, full."""
    top = max(classes, 2)
    truth = rng.integers(0, top, (4, *spatial))
    truth[1], truth[2], truth[3] = 0, 0, top - 1
    logits = rng.normal(0, 2, (4, *spatial, classes)).astype("float32")
    if classes == 1:
        logits[2] = -np.abs(logits[2])
        return truth, logits, 1 / (1 + np.exp(-logits.astype("float64")))
    logits[2, ..., 0] = 9
    e = np.exp(logits.astype("float64"))
    return truth, logits, e / e.sum(-1, keepdims=True)


CASES = [
    *itertools.product(
        (1, 3), (0.5, None), ("image", "pooled"), ("skip", 1.0), (None, 1)
    ),
    (1, 0.8, "image", 0.0, None),
    (3, 0.8, "pooled", 0.0, 2),
]


@pytest.mark.parametrize(("classes", "threshold", "average", "empty", "ignore"), CASES)
def test_equals_the_loop(rng, data_format, classes, threshold, average, empty, ignore):
    truth, logits, probabilities = example(rng, classes)
    expected = brute(
        truth, probabilities, classes, threshold, average, empty, ignore=ignore
    )
    arguments = {
        "threshold": threshold,
        "average": average,
        "empty": empty,
        "ignore_class": ignore,
        "per_class": True,
        "data_format": data_format,
    }
    channels = to_format(truth[..., None].astype("uint8"), data_format)
    metric = DiceScore(classes, **arguments)
    for part in (slice(0, 1), slice(1, 4)):  # the batches must add up
        metric.update_state(channels[part], to_format(logits, data_format)[part])
    result = metric.result()
    known = [v for v in expected.values() if not math.isnan(v)]
    wanted = {"dice": np.mean(known) if known else math.nan} | {
        f"dice_{c}": v for c, v in expected.items()
    }
    assert list(result) == list(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(float(result[name]), value, atol=2e-6)
    once = dice_score(
        truth,
        to_format(probabilities, data_format),
        classes=classes,
        from_logits=False,
        **arguments,
    )
    np.testing.assert_allclose(list(once.values()), list(wanted.values()), atol=2e-6)


def test_background_counts_when_asked_and_volumes_have_three_axes(rng, data_format):
    truth, logits, probabilities = example(rng, 3, spatial=(2, 3, 4))
    expected = brute(truth, probabilities, 3, background=True)
    result = dice_score(
        truth,
        to_format(logits, data_format),
        classes=3,
        include_background=True,
        per_class=True,
        data_format=data_format,
    )
    assert list(result) == ["dice", "dice_0", "dice_1", "dice_2"]
    np.testing.assert_allclose(list(result.values())[1:], list(expected.values()))


def test_soft_dice_is_the_released_measure(rng):
    """2 sum(t p) / (sum(t) + sum(p) + 1e-7) per image, averaged, empty truth too."""
    truth, _, p = example(rng, 1)
    sums = (1, 2, 3)
    t = truth[..., None]
    released = 2 * (t * p).sum(sums) / (t.sum(sums) + p.sum(sums) + 1e-7)
    value = dice_score(
        truth, p, threshold=None, from_logits=False, data_format="channels_last"
    )
    np.testing.assert_allclose(value, released.mean(), rtol=1e-6)
    assert released[1] == 0


def test_label_maps_of_whole_numbers_can_be_compared(rng, data_format):
    truth = rng.integers(0, 4, (3, 5, 6))
    other = np.where(rng.uniform(size=truth.shape) < 0.3, 2, truth)
    expected = brute(truth, np.eye(4)[other], 4)
    value = dice_score(truth, other, classes=4, data_format=data_format)
    np.testing.assert_allclose(value, np.mean(list(expected.values())), rtol=1e-6)
    assert dice_score(truth, truth, classes=4, data_format=data_format) == 1


def test_masks_of_255_and_booleans_are_foreground(rng):
    truth, logits, _ = example(rng, 1)
    values = {
        dice_score(t, logits, data_format="channels_last")
        for t in (truth, truth * 255, truth.astype(bool), truth.astype("float32"))
    }
    assert len(values) == 1


def test_weights_of_images_weigh_their_scores(rng):
    truth, logits, p = example(rng, 1)
    single = [brute(truth[i : i + 1], p[i : i + 1], 1, empty=1.0)[1] for i in range(4)]
    weight = np.array([1.0, 0.0, 2.0, 5.0])
    metric = DiceScore(empty=1.0, data_format="channels_last")
    metric.update_state(truth, logits, sample_weight=weight)
    np.testing.assert_allclose(
        float(metric.result()), np.average(single, weights=weight), rtol=1e-6
    )
    with pytest.raises(ValueError, match="one weight an image"):
        metric.update_state(truth, logits, sample_weight=np.ones(truth.shape))


def test_resets_and_says_nan_where_nothing_counted(rng):
    truth, logits, _ = example(rng, 1)
    metric = DiceScore(data_format="channels_last")
    assert math.isnan(float(metric.result()))
    first = float(metric(truth, logits))
    metric.reset_state()
    assert math.isnan(float(metric.result()))
    assert float(metric(truth, logits)) == first > 0
    metric.reset_state()
    assert math.isnan(float(metric(truth[2:3], logits[2:3])))


def test_low_precision_predictions_are_summed_in_float32():
    """257 pixels: bfloat16 would count 256."""
    truth = np.ones((1, 257), "uint8")
    logits = ops.cast(np.full((1, 257, 1), 3.0), "bfloat16")
    metric = DiceScore(threshold=None, data_format="channels_last", dtype="bfloat16")
    p = 1 / (1 + np.exp(-3.0))
    np.testing.assert_allclose(float(metric(truth, logits)), 2 * p / (1 + p), rtol=1e-5)


JIT = [False] if keras.backend.backend() == "torch" else [False, True]


@pytest.mark.parametrize("jit", JIT)
@pytest.mark.parametrize("classes", [1, 3])
def test_in_fit_and_evaluate_compiled(rng, classes, jit):
    data_format = keras.config.image_data_format()
    truth, logits, probabilities = example(rng, classes)
    sizes = (classes, None, None), (None, None, classes)
    inputs = keras.Input(sizes[data_format == "channels_last"])
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    metric = DiceScore(classes, per_class=True)
    model.compile("sgd", "mse", metrics=[metric], jit_compile=jit)
    x = to_format(logits, data_format)
    y = to_format(truth[..., None], data_format)
    history = model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0).history
    expected = brute(truth, probabilities, classes)
    for c, value in expected.items():
        np.testing.assert_allclose(history[f"dice_{c}"], [value] * 2, rtol=1e-5)
    found = model.evaluate(x, y, batch_size=3, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        found["dice"], np.mean(list(expected.values())), rtol=1e-5
    )


def test_is_saved_with_the_model(rng, tmp_path):
    metric = DiceScore(
        3, threshold=None, average="pooled", empty=0.5, ignore_class=9, name="overlap",
        include_background=True, per_class=True, epsilon=1e-3, from_logits=False,
        data_format="channels_first",
    )  # fmt: skip
    config = metric.get_config()
    json.dumps(config)
    assert DiceScore.from_config(config).get_config() == config
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is DiceScore and again.get_config() == config
    inputs = keras.Input((3, 4))
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    model.compile("sgd", "mse", metrics=[metric])
    x, y = rng.uniform(size=(2, 3, 4)).astype("float32"), np.array([[0, 1, 2, 9]] * 2)
    labels = y[:, None]
    before = model.evaluate(x, labels, verbose=0, return_dict=True)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    after = loaded.evaluate(x, labels, verbose=0, return_dict=True)
    assert after == before and "overlap_2" in after


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "classes must be at least 1, got 0"),
        ({"threshold": 1.0}, "threshold must be between 0 and 1"),
        ({"average": "micro"}, "average must be 'image' or 'pooled', got 'micro'"),
        ({"empty": "drop"}, "empty must be 'skip' or a number"),
        ({"empty": 2.0}, "empty must be 'skip' or a number"),
        ({"include_background": True}, "include_background must be False"),
        ({"data_format": "NHWC"}, "data_format must be"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiceScore(**arguments)


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ((2, 4, 5, 1), (2, 4, 5, 3), "y_pred must have shape .* with classes=1"),
        ((2,), (2, 1), "y_pred must have shape"),
        ((2, 4, 6), (2, 4, 5, 1), "y_true must hold one class number a pixel"),
        ((3, 4, 5, 1), (2, 4, 5, 1), "y_true must hold one class number a pixel"),
        ((2, 4, 5, 2), (2, 4, 5, 1), "y_true must hold one class number a pixel"),
    ],
)
def test_shapes_that_do_not_fit_are_named(true, pred, message):
    metric = DiceScore(data_format="channels_last")
    with pytest.raises(ValueError, match=message):
        metric.update_state(np.zeros(true), np.zeros(pred))


def test_labels_that_are_no_class_are_named():
    with pytest.raises(ValueError, match=r"y_true must hold the classes.*\[7\]"):
        dice_score(np.full((1, 4), 7), np.zeros((1, 4)), classes=3)
    with pytest.raises(ValueError, match="y_pred must hold the classes 0 to 2"):
        dice_score(np.zeros((1, 4)), np.full((1, 4), 3), classes=3)
    ignored = dice_score(
        np.array([[1, 7]]), np.array([[1, 2]]), classes=3, ignore_class=7
    )
    assert ignored == 1
