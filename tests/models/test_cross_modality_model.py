"""Networks of several modalities train by plain fit, and go on after loading."""

import itertools

import keras
import numpy as np
import pytest
from helpers import to_format
from keras import ops

from keras_condattn.applications import CrossModalityCAM, UNetCAM
from keras_condattn.layers import RandomView, SqueezeExcitation
from keras_condattn.losses import CrossModalityLoss, normalize_cam
from keras_condattn.models import insert_after
from keras_condattn.models._misaligned import misaligned

NAMES = ("t1", "t2")
LAST = {"data_format": "channels_last"}
LABEL = np.array([1, 0, 1, 1], "int32")
# TensorFlow takes long to trace two networks twice: once is enough for all tests.
QUICK = {"run_eagerly": keras.backend.backend() == "tensorflow"}


def images(rng, data_format="channels_last", names=NAMES, size=(8, 16)):
    x = {m: rng.random((4, *size, 1)).astype("float32") for m in names}
    return {m: to_format(value, data_format) for m, value in x.items()}


def make(data_format="channels_last", names=NAMES, size=(8, 16), **given):
    shape = to_format(np.zeros((1, *size, 1)), data_format).shape[1:]
    return CrossModalityCAM(
        shape, names, filters=(2, 3), data_format=data_format, **given
    )


def means(model, part="moving_mean"):
    return {w.path: ops.convert_to_numpy(w) for w in model.non_trainable_weights
            if part in w.path}  # fmt: skip


def test_fits_saves_and_goes_on(rng, data_format, tmp_path):
    model = make(data_format, view=RandomView(("flip", "shift"), 0.2, seed=5,
                                              data_format=data_format))  # fmt: skip
    loss = CrossModalityLoss(pixels="sum", kl=0.25)
    model.compile(keras.optimizers.SGD(0.01), loss)
    x = images(rng, data_format)
    first = model.fit(x, LABEL, batch_size=2, epochs=2, verbose=0).history
    terms = {"classification", "equivariance", "cross_modality", "kl"}
    assert set(first) == terms | {"loss", "accuracy"}
    weights = {"kl": 0.25}
    total = 2 * sum(weights.get(t, 1.0) * np.array(first[t]) for t in terms)
    np.testing.assert_allclose(first["loss"], total, rtol=1e-4)
    assert int(model.view.draws.value) == 4
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.view.draws.value) == 4 and loaded.loss.kl == 0.25
    assert loaded.view.get_config() == model.view.get_config()
    for m in NAMES:
        for part in ("logits", "class_activation_map"):
            np.testing.assert_array_equal(
                loaded.predict(x, verbose=0)[m][part],
                model.predict(x, verbose=0)[m][part],
            )
    later = [
        m.fit(x, LABEL, batch_size=2, shuffle=False, verbose=0).history["loss"][0]
        for m in (model, loaded)
    ]
    assert later[0] == pytest.approx(later[1], rel=1e-4)


def test_every_parameter_learns(rng):
    model = make()
    model.compile("sgd", CrossModalityLoss(pixels="sum"), **QUICK)
    before = model.get_weights()
    model.fit(images(rng), LABEL, verbose=0)
    moved = [not np.array_equal(a, b)
             for a, b in zip(before, model.get_weights(), strict=True)]  # fmt: skip
    # A bias before a normalisation has no gradient beyond rounding.
    still = [w.path for w, m in zip(model.weights, moved, strict=True) if not m]
    assert all("conv/bias" in path for path in still), still


def test_batch_norm_learns_from_both_views_in_every_step(rng):
    model = make(view=RandomView(("zoom",), **LAST))
    model.compile(keras.optimizers.SGD(0.0), **QUICK)
    x = images(rng)
    seen = [means(model)]
    for _ in range(3):
        model.fit(x, LABEL, batch_size=4, verbose=0)
        seen.append(means(model))
        model.evaluate(x, LABEL, verbose=0)  # what the release froze them by
        for path, value in means(model).items():
            np.testing.assert_array_equal(value, seen[-1][path])
    for a, b in itertools.pairwise(seen):
        assert all(not np.array_equal(a[p], b[p]) for p in a)
    # With a view that is the image, two updates of momentum 0.9 in one step.
    still = make(view=RandomView(("zoom",), zoom=0.0, **LAST))
    still.compile(keras.optimizers.SGD(0.0), **QUICK)
    once = make()
    once.set_weights(still.get_weights())
    still.fit(x, LABEL, verbose=0)
    once(x, training=True)
    for a, b in zip(means(still).values(), means(once).values(), strict=True):
        np.testing.assert_allclose(a, 1.9 * b, rtol=1e-3, atol=1e-6)


def test_the_loss_of_a_step_by_hand(rng, data_format):
    """Views, maps and mask are put together as the formula says."""

    def view():
        return RandomView(seed=1, data_format=data_format)

    model = make(data_format, view=view(), size=(8, 8))
    loss = CrossModalityLoss(pixels="sum", data_format=data_format)
    model.compile(keras.optimizers.SGD(0.0), loss, **QUICK)
    x = images(rng, data_format, size=(8, 8))
    twin = make(data_format, size=(8, 8))
    twin.set_weights(model.get_weights())
    history = model.fit(x, LABEL, batch_size=4, shuffle=False, verbose=0).history
    poses = view().poses(0, 4)
    seen, valid = view().apply(x, poses)
    outs = [twin(x, training=True), twin(seen, training=True)]
    pick = (slice(None), slice(1, 2)) if data_format == "channels_first" else (
        ..., slice(1, 2)
    )  # fmt: skip
    maps = [
        {m: normalize_cam(out[m]["class_activation_map"][pick], data_format)
         for m in NAMES} for out in outs
    ]  # fmt: skip
    maps[0], _ = view().apply(maps[0], poses)
    maps = [{m: cam * valid for m, cam in side.items()} for side in maps]
    logits = tuple({m: out[m]["logits"] for m in NAMES} for out in outs)
    terms = loss.terms(LABEL, logits, tuple(maps))
    for name, value in terms.items():
        expected = float(ops.convert_to_numpy(value)) / 2
        assert history[name][0] == pytest.approx(expected, rel=1e-3, abs=1e-5), name


def test_no_positive_in_a_batch(rng):
    model = make()
    model.compile("adam", **QUICK)
    history = model.fit(images(rng), np.zeros(4), verbose=0).history
    assert history["equivariance"] == [0.0] == history["cross_modality"]
    assert np.isfinite(history["loss"]).all()


def test_stacked_channels_are_the_dict(rng, data_format):
    x, axis = images(rng, data_format), 1 if data_format == "channels_first" else -1
    apart, stacked = make(data_format), make(data_format, stacked=True)
    stacked.set_weights(apart.get_weights())
    together = np.concatenate([x[m] for m in NAMES], axis)
    expected, actual = apart.predict(x, verbose=0), stacked.predict(together, verbose=0)
    for m in NAMES:
        np.testing.assert_allclose(
            actual[m]["logits"], expected[m]["logits"], atol=1e-6
        )
    stacked.compile("sgd", **QUICK)
    stacked.fit(together, LABEL, verbose=0)


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_modalities(rng, count):
    model = make(names=count)
    names = [f"modality_{i}" for i in range(1, count + 1)]
    model.compile("sgd", **QUICK)
    history = model.fit(images(rng, names=names), LABEL, verbose=0).history
    assert ("cross_modality" in history) == ("kl" in history) == (count > 1)


def test_one_network_is_unet_cam(rng):
    model, x = make(standardize=False), images(rng)
    alone = UNetCAM((8, 16, 1), filters=(2, 3), **LAST)
    alone.set_weights(model.network("t2").get_weights())
    for part, value in alone.predict(x["t2"], verbose=0).items():
        np.testing.assert_allclose(
            model.predict(x, verbose=0)["t2"][part], value, atol=1e-6
        )


def test_scale_of_the_grey_levels_does_not_matter(rng):
    model, x = make(), images(rng)
    other = {m: 700 * value + 30 for m, value in x.items()}
    a, b = model.predict(x, verbose=0), model.predict(other, verbose=0)
    np.testing.assert_allclose(a["t1"]["logits"], b["t1"]["logits"], atol=1e-4)


@pytest.mark.parametrize("stacked", [False, True])
def test_released_faults(rng, stacked, tmp_path):
    faults = ("frozen_batch_norm", "misaligned_modalities", "unmasked")
    model = make(faults=faults, stacked=stacked)
    model.compile("sgd", **QUICK)
    x, before = images(rng), means(model)
    x = np.concatenate([x[m] for m in NAMES], -1) if stacked else x
    model.fit(x, LABEL, verbose=0)
    for path, value in means(model).items():
        np.testing.assert_array_equal(value, before[path])
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").faults == faults


def test_misaligned_modalities_are_shifted_apart(rng):
    x, names = images(rng, size=(16, 16)), ("t2", "t1")
    x["t2"] = x["t1"]
    view = RandomView(seed=3, **LAST)
    moved = misaligned(x, names, view)
    assert not np.array_equal(*(ops.convert_to_numpy(moved[m]) for m in names))
    # Stacked in the order of the names, each is shifted by as much.
    stacked = misaligned(np.concatenate([x[m] for m in names], -1), names, view)
    for i, m in enumerate(names):
        np.testing.assert_array_equal(stacked[..., i : i + 1], moved[m])
    view.draw(4)
    assert not np.array_equal(misaligned(x, names, view)["t1"], moved["t1"])


def test_faults_add_no_weights(tmp_path):
    faulty, clean = make(faults=("misaligned_modalities",)), make()
    faulty.save_weights(tmp_path / "some.weights.h5")
    clean.load_weights(tmp_path / "some.weights.h5")
    paths = [[w.path for w in model.weights] for model in (faulty, clean)]
    assert paths[0] == paths[1]


@pytest.mark.parametrize("stacked", [False, True])
def test_modalities_keep_their_order(tmp_path, stacked):
    names = ("t2", "flair", "t1")
    model = make(names=names, stacked=stacked)
    assert model.modalities == names
    again = type(model).from_config(model.get_config())
    assert again.modalities == names and again.faults == ()
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").modalities == names


def test_a_model_with_more_layers_learns_as_before(rng):
    model = make(names=("t2", "t1"), faults=("unmasked",),
                 view=RandomView(("shift",), seed=4, **LAST))  # fmt: skip
    model.compile("sgd", CrossModalityLoss(pixels="sum"), **QUICK)
    model.view.draw(4)
    copy = insert_after(
        model, "t1_bottleneck_2_conv",
        lambda name, _: SqueezeExcitation(2, name=f"{name}_se", **LAST),
    )  # fmt: skip
    assert copy.modalities == ("t2", "t1") and copy.faults == ("unmasked",)
    assert copy.view is not model.view and int(copy.view.draws.value) == 1
    assert copy.view.get_config() == model.view.get_config()
    copy.fit(images(rng), LABEL, verbose=0)
    assert int(copy.view.draws.value) == 2 and int(model.view.draws.value) == 1


def test_bad_input(rng):
    model, x = make(), images(rng)
    model.compile("sgd", **QUICK)
    before = model.get_weights()
    for y, message in ((LABEL + 1, "from 0 to 1, got.*2"), (LABEL - 0.5, "y must")):
        with pytest.raises(ValueError, match=message):
            model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="x lacks t2.*got t1"):
        model.fit({"t1": x["t1"]}, LABEL, verbose=0)
    with pytest.raises(ValueError, match="modalities must have one shape"):
        model.fit(x | {"t2": x["t2"][:, :, :8]}, LABEL, verbose=0)
    for given in (
        {"sample_weight": np.ones(4)}, {"class_weight": {0: 1.0, 1: 2.0}},
        {"validation_data": (x, LABEL, np.ones(4))},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="(sample|class)_weight is not supported"):
            model.fit(x, LABEL, verbose=0, **given)
    for y in (np.eye(2)[LABEL], np.ones((2, 2)), LABEL[:, None, None]):
        with pytest.raises(ValueError, match=r"y must hold .*\(B, 1\), got shape"):
            model.fit(x, y, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    alone = make(names=1)
    alone.compile("sgd", CrossModalityLoss(), **QUICK)
    with pytest.raises(ValueError, match="compare modalities.*only modality_1"):
        alone.fit(images(rng, names=["modality_1"]), LABEL, verbose=0)
    alone.compile("sgd", "mse", **QUICK)
    with pytest.raises(ValueError, match="loss must be.*CrossModalityLoss"):
        alone.fit(images(rng, names=["modality_1"]), LABEL, verbose=0)


@pytest.mark.parametrize(("given", "message"), [
    ({"modalities": 0}, "modalities must be a number from 1"),
    ({"modalities": ("a", "a")}, "distinct names"),
    ({"classes": 1}, "classes must be .* from 2 and count"),
    ({"classes": "2"}, "classes must be .* got '2'"),
    ({"view": "flip"}, "view must be .*RandomView, got 'flip'"),
    ({"view": RandomView(data_format="channels_first")},
     "view must have .*'channels_last', got 'channels_first'"),
    ({"faults": ("frozen",)}, "faults must be of"),
    ({"input_shape": (10, 8, 1)}, r"multiple of 8.*\(16, 8\)"),
    ({"input_shape": None}, "input_shape must be given"),
])  # fmt: skip
def test_bad_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        CrossModalityCAM(**{"input_shape": (8, 8, 1), "filters": 2, **LAST, **given})
