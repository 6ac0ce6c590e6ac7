"""Volumes through networks whose maps are their images, so that masks are known."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_condattn
from keras_condattn import predict_volume
from keras_condattn.datasets import brats
from keras_condattn.models import CrossModalityModel, fuse_maps, maps_to_masks

TWO = ("t1", "t2")
# A slice is of class 1 where its mean exceeds this.
LEVEL = 0.4


def mirror(
    data_format, size=(None, None), stacked=False, classes=2, names=TWO, level=LEVEL
):
    """The map of class k is the image to the power k, its logit the image's mean."""
    axis = 1 if data_format == "channels_first" else -1
    space = (2, 3) if axis == 1 else (1, 2)

    def shape(n):
        return (n, *size) if axis == 1 else (*size, n)

    if stacked:
        inputs = keras.Input(shape(2), name="image")
        images = dict(zip(names, ops.split(inputs, 2, axis=axis), strict=True))
    else:
        inputs = images = {m: keras.Input(shape(1), name=m) for m in names}
    same = keras.layers.AveragePooling2D(1, data_format=data_format)
    outputs = {}
    for name, image in images.items():
        cam = ops.concatenate([same(image) ** k for k in range(classes)], axis)
        mean = ops.mean(image, axis=space)
        logits = [level + 0 * mean, mean, 2 * mean - 0.7][:classes]
        outputs[name] = {"logits": ops.concatenate(logits, -1),
                         "class_activation_map": cam}  # fmt: skip
    return CrossModalityModel(inputs, outputs)


def brain(seed, shape=(5, 12, 16), levels=(0.2, 0.5, 0.7, 0.3, 0.6)):
    """Noise around a level a slice, in air of 0."""
    rng = np.random.default_rng(seed)
    inside = np.array(levels)[:, None, None] + rng.uniform(-0.2, 0.2, shape)
    return np.pad(inside[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1))).astype("float32")


def volume_of(seeds=(0, 1)):
    return {m: brain(seed) for m, seed in zip(TWO, seeds, strict=True)} | {
        "spacing": (5.0, 1.0, 1.5)
    }


def expected(volume, threshold, read=TWO, how="mean"):
    fused = fuse_maps([volume[m] for m in read], how)
    mean = np.mean([volume[m].mean((1, 2)) for m in read], 0)
    return maps_to_masks(fused, threshold, mean > LEVEL)


@pytest.mark.parametrize("stacked", [False, True])
def test_maps_above_the_threshold_in_slices_that_are_positive(data_format, stacked):
    volume = volume_of()
    model = mirror(data_format, stacked=stacked)
    label = predict_volume(model, volume, preprocessing={"threshold": 0.5})
    assert label.dtype == np.uint8 and label.shape == (5, 12, 16)
    positive = label.any((1, 2))
    assert positive.any() and not positive.all()
    np.testing.assert_array_equal(label, expected(volume, 0.5))
    channel = {m: volume[m][..., None] for m in TWO} | {"spacing": volume["spacing"]}
    again = predict_volume(
        model, channel, preprocessing={"threshold": 0.5}, batch_size=2
    )
    np.testing.assert_array_equal(again, label)


def test_which_maps_are_read_and_how_they_are_fused():
    volume, model = volume_of((2, 3)), mirror(keras.config.image_data_format())
    volume["t2"] = volume["t2"][::-1].copy()
    found = []
    for read, how in ((TWO, "mean"), (TWO, "max"), (("t2",), "mean"), ("t1", "max")):
        steps = {"threshold": 0.6, "maps": read, "fusion": how}
        label = predict_volume(model, volume, preprocessing=steps)
        names = (read,) if isinstance(read, str) else read
        np.testing.assert_array_equal(label, expected(volume, 0.6, names, how))
        found.append(label)
    assert all((a != b).any() for i, a in enumerate(found) for b in found[:i])


def test_each_slice_has_the_mask_of_its_own_class():
    volume = volume_of()
    for m in TWO:
        volume[m] = brain(5, levels=(0.1, 0.55, 1.0, 0.9, 0.6))
    model = mirror(keras.config.image_data_format(), classes=3)
    label = predict_volume(model, volume, preprocessing={"threshold": 0.75})
    means = volume["t1"].mean((1, 2))
    said = np.argmax([np.full(5, LEVEL), means, 2 * means - 0.7], 0)
    assert set(said) == {0, 1, 2}
    for z, k in enumerate(said):
        one = volume["t1"][z] / volume["t1"][z].max()
        np.testing.assert_array_equal(label[z], k * (one ** max(k, 1) > 0.75))


def test_frames_go_back_to_native_pixels(data_format):
    # A ramp, whose bilinear copy at any spacing is itself away from the border.
    ramp = np.broadcast_to(np.linspace(0, 2, 40), (3, 36, 40)).astype("float32")
    volume = {m: ramp for m in TWO} | {"spacing": (5.0, 1.5, 0.75)}
    steps = {"threshold": 0.7, "spacing": (1.5, 1.0), "size": (24, 40)}
    label = predict_volume(mirror(data_format, (24, 40)), volume, preprocessing=steps)
    right = ramp > 0.7 * 2
    away = np.abs(ramp - 0.7 * 2) > 0.12
    rows = slice(7, 29)  # the frame shows rows 6 to 29
    np.testing.assert_array_equal(label[:, rows][away[:, rows]],
                                  right[:, rows][away[:, rows]])  # fmt: skip
    assert label.any() and not label[:, :6].any() and not label[:, 30:].any()


def test_air_is_negative_whatever_a_network_says_of_it():
    volume, model = volume_of(), mirror(keras.config.image_data_format())
    for m in TWO:
        volume[m][2] = 0
        volume[m][2, 3:5, 3:5] = 60.0  # 4 of 192 pixels: 2.1 %
        volume[m][4] = 0
        volume[m][4, 3:4, 3:6] = 80.0  # 1.6 %
    label = predict_volume(model, volume, preprocessing={"threshold": 0.5})
    assert label[2].sum() == 4 and not label[4].any()
    steps = {"threshold": 0.5, "least_brain": 0.01}
    assert predict_volume(model, volume, preprocessing=steps)[4].sum() == 3
    # Where air is not 0.
    moved = {m: volume[m] + 1 for m in TWO} | {"spacing": volume["spacing"]}
    assert not predict_volume(model, moved, preprocessing={"threshold": 0.5})[4].any()


def test_only_the_largest_piece_is_kept_where_that_is_asked_for():
    volume, model = volume_of(), mirror(keras.config.image_data_format())
    for m in TWO:
        volume[m][:] = 0.5
        volume[m][0, 2:4, 2:4] = volume[m][1:3, 6:9, 6:9] = 5.0
    steps = {"threshold": 0.5}
    label = predict_volume(model, volume, preprocessing=steps)
    steps["largest_component"] = True
    largest = predict_volume(model, volume, preprocessing=steps)
    assert label[0, 2:4, 2:4].all() and not largest[0].any()
    np.testing.assert_array_equal(largest[1:3], label[1:3])
    assert largest.sum() == 2 * 3 * 3


def test_frames_are_those_of_the_source(tmp_path):
    pytest.importorskip("nibabel")
    pytest.importorskip("scipy")
    root = brats.write_phantoms(
        tmp_path / "drawn", 1, slices=6, size=(60, 60), spacing=(20.0, 3.0, 3.0)
    )
    modalities = ("flair", "t1ce")
    steps = {"normalise": "zscore", "size": (48, 56)}
    data_format = keras.config.image_data_format()
    model = mirror(data_format, (48, 56), names=modalities, level=0.0)
    framed = brats.load(root, modalities=modalities, volumes=True, **steps)[0]
    axis = 1 if data_format == "channels_first" else -1
    out = model.predict(
        {m: np.moveaxis(framed[m], -1, axis) for m in modalities}, verbose=0
    )
    maps = fuse_maps({
        m: np.moveaxis(out[m]["class_activation_map"], axis, -1)[..., 1]
        for m in modalities
    })  # fmt: skip
    said = np.mean([out[m]["logits"] for m in modalities], 0).argmax(-1)
    assert 0 < said.mean() < 1
    native = brats.load(root, modalities=modalities, volumes=True)[0]
    label = predict_volume(model, native, preprocessing=steps | {"threshold": 0.5})
    np.testing.assert_array_equal(label[:, 6:54, 2:58], maps_to_masks(maps, 0.5, said))
    assert label.any() and label.sum() == label[:, 6:54, 2:58].sum()


def test_preprocessing_is_saved_with_the_model(tmp_path):
    data_format = keras.config.image_data_format()
    shape = (1, 8, 8) if data_format == "channels_first" else (8, 8, 1)
    model = keras_condattn.applications.CrossModalityCAM(shape, TWO, filters=2)
    with pytest.raises(ValueError, match="preprocessing must say how slices"):
        predict_volume(model, {})
    model.preprocessing = {"threshold": 0.2, "maps": ("t2",), "size": (8, 8)}
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert loaded.preprocessing["maps"] == ["t2"]
    volume = volume_of()
    np.testing.assert_array_equal(
        predict_volume(loaded, volume), predict_volume(model, volume)
    )
    assert "preprocessing" not in mirror(data_format).get_config()


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({}, "preprocessing must give threshold as a number, got None"),
        ({"threshold": np.nan}, "must give threshold as a number, got nan"),
        ({"maps": ("t1", "pd")}, r"must give maps as names out of \('t1', 't2'\), got"),
        ({"maps": ()}, "must give maps as names"),
        ({"fusion": "sum"}, "must give fusion as one of .*got 'sum'"),
        ({"largest_component": 1}, "must give largest_component as a bool, got 1"),
        ({"least_brain": 2}, "must give least_brain from 0 to 1, got 2"),
        ({"recentre": 16.0}, r"may hold .*_component, got also \['recentre'\]"),
        ({"normalise": "minmax"}, "must give normalise as one of"),
        (
            {"size": (4, 8)},
            r"makes slices of \(4, 8\) pixels, the model takes \(8, 8\)",
        ),
    ],
)
def test_steps_that_are_none_are_named(steps, message):
    model = mirror(keras.config.image_data_format(), (8, 8))
    given = steps if not steps else {"threshold": 0.5} | steps
    with pytest.raises(ValueError, match=message):
        predict_volume(model, volume_of(), preprocessing=given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t2": None}, r"volume\['t2'\] must hold grey levels \(D, H, W\)"),
        ({"t2": np.ones((5, 12, 15))}, "must have modalities of one shape, got .*15"),
        ({"t1": np.full((5, 12, 16), np.nan)}, r"volume\['t1'\] must be finite"),
        ({"spacing": (5, 0, 1)}, r"volume\['spacing'\] must be"),
    ],
)
def test_a_volume_that_does_not_fit_is_named(changes, message):
    model = mirror(keras.config.image_data_format())
    with pytest.raises(ValueError, match=message):
        predict_volume(model, volume_of() | changes, preprocessing={"threshold": 0.5})


def test_a_missing_modality_is_named():
    model, volume = mirror(keras.config.image_data_format()), volume_of()
    del volume["t2"]
    with pytest.raises(ValueError, match=r"missing are \['t2'\]; it has \['spacing',"):
        predict_volume(model, volume, preprocessing={"threshold": 0.5})
    with pytest.raises(ValueError, match="volume must be a dict"):
        predict_volume(model, np.ones((2, 8, 8)), preprocessing={"threshold": 0.5})
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        predict_volume(model, {}, preprocessing={"threshold": 0.5}, batch_size=0)


def test_networks_that_cannot_be_read_are_named():
    data_format = keras.config.image_data_format()
    with pytest.raises(ValueError, match="logits that are NaN"):
        predict_volume(
            nan_logits(data_format), volume_of(), preprocessing={"threshold": 0.5}
        )
    shape = (3, 8, 8) if data_format == "channels_first" else (8, 8, 3)
    coloured = keras_condattn.applications.CrossModalityCAM(shape, TWO, filters=2)
    with pytest.raises(ValueError, match="modalities of one channel"):
        predict_volume(
            coloured, volume_of(), preprocessing={"threshold": 0.5, "size": 8}
        )


def nan_logits(data_format):
    model = mirror(data_format)
    outputs = {
        m: {**model.output[m], "logits": ops.log(-1 - model.output[m]["logits"] ** 2)}
        for m in TWO
    }
    return CrossModalityModel(model.input, outputs)
