"""Networks that threshold a ramp, so that the label of every native pixel is known."""

import copy

import keras
import numpy as np
import pytest
from keras import ops

import keras_condattn
from keras_condattn import predict_volume
from keras_condattn.models import ConditionedModel, unet

DOWN, RIGHT = 0.8, -0.5  # grey levels a mm


def image_input(data_format, size=(None, None)):
    first = data_format == "channels_first"
    shape = (1, *size) if first else (*size, 1)
    return keras.Input(shape, name="image"), 1 if first else -1


def thresholding(data_format, size=(None, None), outputs="bare", conditioned=True):
    """Class 1 where the grey level exceeds the slice's own conditioning, or 0."""
    image, axis = image_input(data_format, size)
    vector = keras.Input((1,), name="conditioning")
    level = ops.reshape(vector, (-1, 1, 1, 1)) if conditioned else 0.0
    logit = 0.05 * (image - level)
    both = 2 * logit if outputs == "single" else ops.concatenate([-logit, logit], axis)
    mask = keras.layers.Activation("linear", name="mask")(both)
    result = {"mask": mask, "attention": image} if outputs == "dict" else mask
    if not conditioned:
        return keras.Model(image, result)
    return ConditionedModel({"image": image, "conditioning": vector}, result)


def banding(data_format, size=(None, None)):
    """Class k where the grey level is nearest to k, of three classes."""
    image, axis = image_input(data_format, size)
    scores = [-9.0 * ops.square(image - float(k)) for k in range(3)]
    return keras.Model(image, ops.concatenate(scores, axis))


def ramp(shape, spacing):
    """A volume whose grey levels fall along a slant, in mm from each centre."""
    down, right = (
        (np.arange(n) - (n - 1) / 2) * step
        for n, step in zip(shape[1:], spacing[1:], strict=True)
    )
    plane = DOWN * down[:, None] + RIGHT * right
    thresholds = np.linspace(-4, 5, shape[0])[:, None]
    return {
        "image": np.broadcast_to(plane, shape).astype("float32"),
        "spacing": np.array(spacing, "float32"),
        "conditioning": thresholds.astype("float32"),
    }, (np.abs(down)[:, None], np.abs(right)[None])


def frozen(volume):
    for array in volume.values():
        array.flags.writeable = False
    return volume


CASES = {  # native spacing, native (H, W), preprocessing
    "as it is": ((8, 1, 1), (14, 18), {}),
    "no spacing known": ((np.nan,) * 3, (14, 18), {"size": (14, 18)}),
    "finer": ((8, 1.5, 0.75), (14, 22), {"spacing": (1.0, 0.5)}),
    "coarser": ((8, 0.8, 1), (34, 30), {"spacing": (1.5, 1.6)}),
    "cropped": ((8, 1, 1.25), (40, 32), {"spacing": [1.25, 1], "size": [20, 24]}),
    "padded": ((8, 1, 1), (12, 16), {"spacing": 1.0, "size": (24, 20)}),
    "both": ((8, 1.25, 1), (14, 24), {"spacing": (1, 1), "size": (24, 12)}),
    "odd": ((8, 1, 1), (25, 28), {"size": np.array([13, 17])}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_native_pixel_has_its_label(data_format, case):
    spacing, extent, steps = CASES[case]
    known = (8, 1, 1) if np.isnan(spacing[0]) else spacing
    volume, away = ramp((5, *extent), known)
    volume["spacing"] = np.array(spacing, "float32")
    size = tuple(np.broadcast_to(steps.get("size", (None, None)), 2))
    model = thresholding(data_format, size)
    label = predict_volume(model, volume, preprocessing=steps, batch_size=2)
    step = np.broadcast_to(steps.get("spacing") or known[1:], 2).astype(float)
    half = np.array(extent) * known[1:] / 2
    framed = half if size[0] is None else np.array(size) * step / 2
    margin = volume["image"] - volume["conditioning"][:, :, None]
    expected = (margin > 0) & (away[0] < framed[0]) & (away[1] < framed[1])
    sure = np.abs(margin) > 0.02
    for axis in (0, 1):
        for border in {half[axis], framed[axis]}:
            moved = step[axis] != known[1 + axis] or steps.get("size") is not None
            sure &= np.abs(away[axis] - border) > moved * 2 * step[axis]
    assert label.dtype == np.uint8 and label.shape == (5, *extent)
    assert sure.mean() > 0.25 and 0 < expected[sure].mean() < 1
    np.testing.assert_array_equal(label[sure], expected[sure])
    if case in ("as it is", "no spacing known"):
        np.testing.assert_array_equal(label, margin > 0)
    if case == "odd":
        assert label[:, 6].any() and not label[:, :6].any()


def test_each_slice_is_steered_by_its_own_vector():
    volume = frozen(ramp((5, 12, 12), (8, 1, 1))[0])
    before = copy.deepcopy(volume)
    model = thresholding(keras.config.image_data_format())
    labels = [
        predict_volume(model, volume, preprocessing={}, batch_size=size)
        for size in (2, 3, 32)
    ]
    areas = labels[0].sum((1, 2)).tolist()
    assert areas == sorted(areas, reverse=True) and len(set(areas)) == 5
    for label in labels[1:]:
        np.testing.assert_array_equal(label, labels[0])
    backwards = {**volume, "conditioning": volume["conditioning"][::-1]}
    turned = predict_volume(model, backwards, preprocessing={}, batch_size=2)
    np.testing.assert_array_equal(turned, labels[0][::-1])
    assert volume.keys() == before.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(volume[name], array)


@pytest.mark.parametrize("outputs", ["dict", "single"])
def test_logits_come_bare_or_by_name_and_one_is_a_foreground_s(data_format, outputs):
    volume, _ = ramp((2, 10, 12), (8, 1, 1))
    steps = {"spacing": 0.75, "size": (10, 9)}
    found, expected = (
        predict_volume(
            thresholding(data_format, outputs=o), volume, preprocessing=steps
        )
        for o in (outputs, "bare")
    )
    assert expected.any()
    np.testing.assert_array_equal(found, expected)


def test_without_conditioning_none_is_needed_and_lists_will_do(data_format):
    volume, _ = ramp((2, 10, 12), (8, 1, 1))
    plain = {"image": volume["image"].tolist(), "spacing": [8, 1, 1]}
    model = thresholding(data_format, conditioned=False)
    expected = volume["image"] > 0
    np.testing.assert_array_equal(
        predict_volume(model, plain, preprocessing={}), expected
    )
    named, axis = image_input(data_format)
    by_name = keras.Model({"image": named}, ops.concatenate([-named, named], axis))
    np.testing.assert_array_equal(
        predict_volume(by_name, plain, preprocessing={}), expected
    )


def test_grey_levels_are_normalised_where_it_says_so():
    volume, _ = ramp((3, 12, 12), (8, 1, 1))
    volume["conditioning"] = np.array([[-0.5], [0.0], [1.0]], "float32")
    other = {**volume, "image": 7 * volume["image"] + 300}
    model = thresholding(keras.config.image_data_format())
    labels = [
        predict_volume(model, v, preprocessing={"normalise": "zscore"})
        for v in (volume, other)
    ]
    np.testing.assert_array_equal(*labels)
    share = labels[0].mean((1, 2))
    assert 0.6 < share[0] < 0.8 and 0.45 < share[1] < 0.55 and 0.1 < share[2] < 0.25
    assert predict_volume(model, other, preprocessing={}).all()


def test_recentring_finds_what_the_frame_cut_off(data_format):
    """Native pixels are 2 mm high: of 6 x 6, the first frame shows 2 x 2."""
    image = np.zeros((2, 40, 40), "float32")
    image[:, 26:32, 8:14] = 1
    volume = {"image": image, "spacing": (8, 2, 1)}
    model = banding(data_format, (16, 16))
    labels = {
        limit: predict_volume(
            model, volume, preprocessing={"size": 16, "recentre": limit}
        )
        for limit in (None, 0, 15.6, 15.7)
    }
    assert labels[None].sum() == 8
    np.testing.assert_array_equal(labels[0], image)
    np.testing.assert_array_equal(labels[15.6], image)  # 14 mm down, 7 mm left
    np.testing.assert_array_equal(labels[15.7], labels[None])
    empty = {**volume, "image": 0 * image}
    assert not predict_volume(
        model, empty, preprocessing={"size": 16, "recentre": 0}
    ).any()


def test_of_each_class_only_the_largest_piece_is_kept():
    image = np.zeros((3, 10, 10), "float32")
    image[0, 0:2, 0:2] = image[1, 1:3, 1:3] = 1  # 8, joined across slices by one pixel
    image[2, 3:5, 3:6] = 1  # 6, touching that at an edge, not a face
    image[0, 6:9, 6:9] = 2
    image[2, 9, 9] = 2
    volume = {"image": image, "spacing": (8, 1, 1)}
    model = banding(keras.config.image_data_format())
    steps = {"largest_component": True}
    expected = image.copy()
    expected[2, 3:5, 3:6] = expected[2, 9, 9] = 0
    np.testing.assert_array_equal(
        predict_volume(model, volume, preprocessing={}), image
    )
    np.testing.assert_array_equal(
        predict_volume(model, volume, preprocessing=steps), expected
    )


def test_the_model_s_own_preprocessing_is_saved_with_it(tmp_path):
    first = keras.config.image_data_format() == "channels_first"
    shape = (1, 8, 8) if first else (8, 8, 1)
    arguments = {"conditioning": "film", "conditioning_size": 1, "filters": 2,
                 "depth": 1}  # fmt: skip
    model = unet(shape, 2, **arguments)
    volume, _ = ramp((3, 12, 11), (8, 1, 1))
    steps = {"normalise": "zscore", "spacing": (1.5, 1.25), "size": [8, 8]}
    config = model.get_config()
    expected = predict_volume(model, volume, preprocessing=steps)
    model.preprocessing = steps
    np.testing.assert_array_equal(predict_volume(model, volume), expected)
    model.save(tmp_path / "with.keras")
    loaded = keras.saving.load_model(tmp_path / "with.keras")
    assert type(loaded) is ConditionedModel
    np.testing.assert_array_equal(predict_volume(loaded, volume), expected)
    again = ConditionedModel.from_config(model.get_config())
    assert (
        again.preprocessing == loaded.preprocessing == {**steps, "spacing": [1.5, 1.25]}
    )
    assert "preprocessing" not in config and model.get_config().keys() > config.keys()
    other = keras.models.clone_model(model)
    model.save_weights(tmp_path / "with.weights.h5")
    other.load_weights(tmp_path / "with.weights.h5")
    np.testing.assert_array_equal(
        predict_volume(other, volume, preprocessing=steps), expected
    )
    keras.models.model_from_json(model.to_json())


def test_where_two_axes_could_be_the_channels_the_layers_say_which(data_format):
    strip = (8, 1) if data_format == "channels_first" else (1, 8)
    image, axis = image_input(data_format, strip)
    assert tuple(image.shape) == (None, 1, 8, 1)
    same = keras.layers.AveragePooling2D(1, data_format=data_format)(image)
    model = keras.Model(image, ops.concatenate([-same, same], axis))
    grey = np.arange(-6, 10).reshape(2, *strip)
    volume = {"image": grey, "spacing": (8, 1, 1)}
    label = predict_volume(model, volume, preprocessing={})
    np.testing.assert_array_equal(label, grey > 0)


def test_is_public():
    assert keras_condattn.models.predict_volume is predict_volume
