"""ScribbleModel: what it trains on, what its logs say, saving, bad input."""

import warnings

import keras
import numpy as np
import pytest
from helpers import to_format

from keras_condattn.applications import AttenScribbleUNet
from keras_condattn.datasets import Batches
from keras_condattn.layers import FiLM
from keras_condattn.losses import ScribbleLoss
from keras_condattn.models import ScribbleModel

IGNORE = 3
CURVES = {
    "loss", "partial_cross_entropy", "gated_crf", "attentive_similarity",
    "mean_similarity", "similarity_spread",
}  # fmt: skip


@pytest.fixture
def data_format():
    """One is enough here: networks and losses are tested in both."""
    return keras.config.image_data_format()


def network(data_format, **kwargs):
    shape = to_format(np.zeros((1, 8, 8, 1)), data_format).shape[1:]
    arguments = {"filters": (4, 4, 4), "dropout": 0.0, "similarity_radius": 1} | kwargs
    shape = arguments.pop("input_shape", shape)
    return AttenScribbleUNet(shape, 3, data_format=data_format, **arguments)


def compiled(data_format, network_arguments=None, metrics=None, **kwargs):
    model = network(data_format, **(network_arguments or {}))
    loss = ScribbleLoss(IGNORE, radius=1, similarity_radius=1, **kwargs)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=metrics)
    return model


def items():
    """Three slices: two classes scribbled, one, and none."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(3):
        scribble = np.full((8, 8), IGNORE, "uint8")
        if number < 2:
            scribble[2, 1:6] = 1
        if number < 1:
            scribble[6, 2:7] = 0
        image = rng.normal(size=(8, 8, 1)).astype("float32")
        label = rng.integers(0, 3, (8, 8)).astype("uint8")
        found.append({"image": image, "scribble": scribble, "label": label})
    return found


def arrays(data_format):
    stacked = {n: np.stack([item[n] for item in items()]) for n in items()[0]}
    return to_format(stacked["image"], data_format), stacked


def test_the_curves_add_to_the_loss_that_the_loss_object_gives(data_format):
    model = compiled(data_format, similarity_floor=0.9, floor_weight=0.5)
    image, y = arrays(data_format)
    logs = model.evaluate(image, y["scribble"], verbose=0, return_dict=True)
    assert set(logs) == CURVES | {"similarity_floor"}
    total = (
        logs["partial_cross_entropy"] + 0.1 * logs["gated_crf"]
        + 0.1 * logs["attentive_similarity"] + 0.5 * logs["similarity_floor"]
    )  # fmt: skip
    assert logs["loss"] == pytest.approx(total, rel=1e-5)
    output = model.predict(image, verbose=0)
    true = {"image": image, "scribble": y["scribble"], **output}
    expected = float(model.loss.call(true, output["mask"]))
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    pairs = 3 * (4 * 4 - 4)  # 2 x 2 pixels see 4 x 4 less themselves
    mean = output["similarity"].sum() / pairs
    assert logs["mean_similarity"] == pytest.approx(float(mean), rel=1e-4)
    K = output["similarity"][output["similarity"] > 0]
    assert len(K) == pairs and K.std() > 0
    assert logs["similarity_spread"] == pytest.approx(float(K.std()), rel=1e-3)


def test_trains_from_batches_and_looks_at_no_dense_label(data_format):
    source = items()
    model = compiled(data_format)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        given = {"batch_size": 3, "inputs": ("image",)}
        batches = Batches(source, targets=("scribble",), **given)
        history = model.fit(batches, epochs=8, verbose=0).history
    assert set(history) == CURVES
    assert history["partial_cross_entropy"][-1] < history["partial_cross_entropy"][0]
    assert np.isfinite(history["loss"]).all()
    weights = model.get_weights()
    again = compiled(data_format)
    again.set_weights(weights)
    for item in source:
        item["label"] = 2 - item["label"]
    one, other = (
        m.evaluate(Batches(source, targets=names, **given), verbose=0, return_dict=True)
        for m, names in ((model, ("scribble",)), (again, ("scribble", "label")))
    )
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)


def test_the_curves_add_to_the_loss_of_uneven_batches(data_format):
    model = compiled(data_format)
    image, y = arrays(data_format)
    logs = model.evaluate(
        image, y["scribble"], batch_size=2, verbose=0, return_dict=True
    )
    total = logs["partial_cross_entropy"] + 0.1 * (
        logs["gated_crf"] + logs["attentive_similarity"]
    )
    assert logs["loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX traces anew for every size"
)
def test_images_of_several_sizes(data_format):
    """Sizes that a graph does not know give what it gives where it knows them."""
    shape = (None, None, 1) if data_format == "channels_last" else (1, None, None)
    model, rng = compiled(data_format, {"input_shape": shape}), np.random.default_rng(3)
    for size in ((8, 8), (12, 20)):
        image = to_format(rng.normal(size=(2, *size, 1)), data_format)
        scribble = np.full((2, *size), IGNORE)
        scribble[:, 2, 1:5], scribble[:, 5, 1:5] = 0, 1
        assert np.isfinite(model.train_on_batch(image, scribble)).all()
    fixed = compiled(data_format, {"input_shape": image.shape[1:]})
    fixed.set_weights(model.get_weights())
    losses = [m.test_on_batch(image, scribble) for m in (model, fixed)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_a_network_of_more_than_an_image():
    image = keras.Input((8, 8, 1), name="image")
    phase = keras.Input((2,), name="conditioning")
    options = {"data_format": "channels_last"}
    x = keras.layers.Conv2D(4, 3, padding="same", **options)(image)
    x = FiLM(**options)(x, phase)
    mask = keras.layers.Conv2D(3, 1, **options)(x)
    model = ScribbleModel({"image": image, "conditioning": phase}, {"mask": mask})
    loss = ScribbleLoss(IGNORE, similarity_weight=0, radius=1, **options)
    model.compile("sgd", loss)
    pixels, y = arrays("channels_last")
    x = {"image": pixels, "conditioning": np.eye(2)[[0, 1, 0]]}
    assert np.isfinite(model.fit(x, y["scribble"], verbose=0).history["loss"][0])
    with pytest.raises(ValueError, match="outputs must be a dict with 'mask'"):
        ScribbleModel(image, keras.layers.Conv2D(3, 1, **options)(image))


def test_metrics_see_dense_labels_where_there_are_any(data_format):
    class Accuracy(keras.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            axis = 1 if data_format == "channels_first" else -1
            hit = keras.ops.equal(
                keras.ops.cast(y_true, "int32"),
                keras.ops.cast(keras.ops.argmax(y_pred, axis), "int32"),
            )
            return super().update_state(keras.ops.cast(hit, "float32"))

    model = compiled(data_format, metrics={"mask": [Accuracy(name="accuracy")]})
    image, y = arrays(data_format)
    dense = {"scribble": y["scribble"], "label": y["label"]}
    history = model.fit(
        image, y["scribble"], epochs=2, validation_data=({"image": image}, dense),
        verbose=0,
    ).history  # fmt: skip
    assert "mask_accuracy" not in history and len(history["val_mask_accuracy"]) == 2
    mask = np.moveaxis(model.predict(image, verbose=0)["mask"],
                       1 if data_format == "channels_first" else -1, -1)  # fmt: skip
    expected = (mask.argmax(-1) == y["label"]).mean()
    assert history["val_mask_accuracy"][-1] == pytest.approx(expected, abs=1e-6)


def test_saved_it_is_the_same_and_trains_on(data_format, tmp_path):
    model = compiled(data_format, similarity_floor=0.5)
    model.preprocessing = {"normalise": "zscore", "size": (8, 8)}
    image, y = arrays(data_format)
    model.fit(image, y["scribble"], verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is ScribbleModel
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.preprocessing == {"normalise": "zscore", "size": [8, 8]}
    for m in (one := model.predict(image, verbose=0)):
        np.testing.assert_array_equal(one[m], loaded.predict(image, verbose=0)[m])
    logs = [m.fit(image, {"scribble": y["scribble"]}, verbose=0).history
            for m in (model, loaded)]  # fmt: skip
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=1e-5)
    assert set(logs[1]) == CURVES | {"similarity_floor"}


def test_the_plain_network_learns_without_a_similarity(data_format):
    image, y = arrays(data_format)
    plain = {"attention": False}
    model = compiled(data_format, plain, similarity_weight=0.0, crf_weight=0.0)
    full = {"scribble": y["label"]}  # every pixel labelled: full supervision
    history = model.fit(image, full, verbose=0).history
    assert set(history) == {"loss", "partial_cross_entropy"}
    with pytest.raises(ValueError, match="needs an output 'similarity'"):
        compiled(data_format, plain).fit(image, full)
    with pytest.raises(ValueError, match="similarity_floor needs an output"):
        weights = {"similarity_weight": 0, "similarity_floor": 0.2}
        compiled(data_format, plain, **weights).evaluate(image, full)


def test_a_batch_without_any_scribble_leaves_finite_weights(data_format):
    model = compiled(data_format)
    image, y = arrays(data_format)
    nothing = np.full_like(y["scribble"], IGNORE)
    logs = model.train_on_batch(image, nothing, return_dict=True)
    assert logs["partial_cross_entropy"] == 0 and np.isfinite(logs["loss"])
    assert logs["attentive_similarity"] == 0  # at most one class is known
    assert all(np.isfinite(w).all() for w in model.get_weights())


@pytest.mark.parametrize("kind", ["tensor", "batches", "validation"])
def test_a_class_too_many_is_named_wherever_it_comes_from(kind, data_format):
    model = compiled(data_format)
    model.run_eagerly = keras.backend.backend() == "tensorflow"  # nothing to trace
    image, y = arrays(data_format)
    beyond = y["scribble"].copy()
    beyond[1, 0, 0] = 7
    source = [item | {"scribble": s} for item, s in zip(items(), beyond, strict=True)]
    batches = Batches(source, 2, ("image",), ("scribble",))
    given = {
        "tensor": ((image, keras.ops.convert_to_tensor(beyond)), {}),
        "batches": ((batches,), {}),
        "validation": ((image, y["scribble"]), {"validation_data": batches}),
    }[kind]
    # Keras's own threads hand on what a data set raises.
    with pytest.raises(ValueError, match=r"classes from 0 to 2, .* got \[7\]"):
        model.fit(*given[0], verbose=0, **given[1])


def test_bad_input_is_named_before_anything_changes(data_format):
    model = compiled(data_format)
    image, y = arrays(data_format)
    before = model.get_weights()
    beyond = y["scribble"].copy()
    beyond[0, 0, 0] = 7
    for given, match in (
        (beyond, r"classes from 0 to 2, or ignore_class=3 .* got \[7\]"),
        (y["scribble"][:, :4], r"shape \(3, 8, 8\), got \(3, 4, 8\)"),
        ({"label": y["label"]}, r"y must have a 'scribble', got \['label'\]"),
    ):
        for method in (model.fit, model.evaluate, model.train_on_batch,
                       model.test_on_batch):  # fmt: skip
            with pytest.raises(ValueError, match=match):
                method(image, given)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"is 1, .* of 9 .* similarity_radius=2 .* 25"):
        compiled(data_format, {"similarity_radius": 2}).fit(image, y["scribble"])
    other = network(data_format)
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"loss must be a .*ScribbleLoss"):
        other.fit(image, y["scribble"])
    for name, weights in {"sample_weight": np.ones(3), "class_weight": {0: 2}}.items():
        with pytest.raises(ValueError, match=f"{name} is not supported"):
            model.fit(image, y["scribble"], **{name: weights})
    weighted = network(data_format)
    weighted.compile("sgd", ScribbleLoss(IGNORE, similarity_radius=1), loss_weights=3.0)
    with pytest.raises(ValueError, match="loss_weights is not supported"):
        weighted.fit(image, y["scribble"])
    with pytest.raises(ValueError, match="sample_weight and class_weight"):
        model.train_on_batch(image, y["scribble"], sample_weight=np.ones(3))
