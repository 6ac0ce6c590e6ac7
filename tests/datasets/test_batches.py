"""Batches of a source: what the model sees, in both data formats, every epoch."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_condattn.datasets import Batches


class Source:
    """Ten small items whose image holds their number, and the epoch it was told."""

    def __init__(self, count=10, **change):
        self.count, self.change, self.epochs = count, change, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        image = np.full((4, 6, 3), index, "float32")
        image[..., 1] = np.arange(24).reshape(4, 6)
        item = {
            "image": image,
            "label": (image[..., 1:2] > index).astype("uint8"),
            "conditioning": np.eye(4, dtype="float32")[index % 4],
            "instances": np.full((4, 6), index, "int32"),
            "id": f"n{index}",
        }
        return item | (self.change if index == 7 else {})

    def set_epoch(self, epoch):
        self.epochs.append(epoch)


def numbers(batches):
    return [int(i) for x, _ in batches for i in x["image"][..., 0].max(axis=(1, 2))]


def test_a_batch_is_the_items_stacked():
    batches = Batches(Source(), batch_size=4, data_format="channels_last")
    assert len(batches) == 3
    x, y = batches[1]
    assert sorted(x) == ["conditioning", "image"]
    for place, index in enumerate(range(4, 8)):
        item = Source()[index]
        np.testing.assert_array_equal(x["image"][place], item["image"])
        np.testing.assert_array_equal(x["conditioning"][place], item["conditioning"])
        np.testing.assert_array_equal(y[place], item["label"])
    assert y.dtype == "uint8" and x["image"].dtype == "float32"
    assert len(batches[2][1]) == 2
    with pytest.raises(IndexError, match="batch 3 of 3"):
        batches[3]


def test_channels_first_moves_the_channels_of_images_alone():
    source = Source()
    names = ("image", "conditioning", "instances")
    x, y = Batches(source, 2, inputs=names, data_format="channels_first")[0]
    assert x["image"].shape == (2, 3, 4, 6) and y.shape == (2, 1, 4, 6)
    assert x["conditioning"].shape == (2, 4) and x["instances"].shape == (2, 4, 6)
    np.testing.assert_array_equal(x["image"][1], np.moveaxis(source[1]["image"], -1, 0))
    default = Batches(source, 2)[0][0]["image"].shape
    first = keras.config.image_data_format() == "channels_first"
    assert default == ((2, 3, 4, 6) if first else (2, 4, 6, 3))


def test_names_choose_the_structure():
    one = Batches(
        Source(), 5, inputs="image", targets=None, data_format="channels_last"
    )
    assert len(one[0]) == 1 and one[0][0].shape == (5, 4, 6, 3)
    two = Batches(Source(), 5, inputs=("image",), targets=("label", "instances"))
    assert list(two[0][0]) == ["image"] and list(two[0][1]) == ["label", "instances"]


def test_each_epoch_shuffles_anew_and_shows_every_item_once():
    batches = Batches(Source(), 3, shuffle=True, seed=5, data_format="channels_last")
    orders = []
    for _ in range(4):
        orders.append(numbers(batches))
        batches.on_epoch_end()
    assert all(sorted(o) == list(range(10)) for o in orders)
    assert len({tuple(o) for o in orders}) == 4
    assert batches.source.epochs == [0, 1, 2, 3, 4]
    again = Batches(Source(), 3, shuffle=True, seed=5, data_format="channels_last")
    assert numbers(again) == orders[0]
    plain = Batches(Source(), 3, data_format="channels_last")
    plain.on_epoch_end()
    assert numbers(plain) == list(range(10))


def test_drop_last_leaves_whole_batches():
    batches = Batches(Source(), 4, drop_last=True)
    assert len(batches) == 2 and len(batches[1][1]) == 4
    assert len(Batches(Source(8), 4, drop_last=True)) == 2


@pytest.mark.parametrize("key", ["image", "conditioning"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_by_the_name_of_the_item(key, value):
    changed = Source()[7][key].copy()
    changed.flat[1] = value
    batches = Batches(Source(**{key: changed}), 4)
    batches[0]
    with pytest.raises(ValueError, match=f"'{key}' of item 'n7' is NaN or infinite"):
        batches[1]


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"inputs: item 'n0'.*\['scribble'\]; it has"):
        Batches(Source(), inputs=("image", "scribble"))
    with pytest.raises(ValueError, match=r"targets: item 'n0'.*\['mask'\]"):
        Batches(Source(), targets="mask")
    larger = Batches(Source(image=np.zeros((5, 6, 3), "float32")), 4)
    with pytest.raises(ValueError, match=r"'image' is \(4, 6, 3\) in 'n4' and .*'n7'"):
        larger[1]
    with pytest.raises(TypeError, match="source must have a length"):
        Batches(iter([]))
    with pytest.raises(ValueError, match="source has no items"):
        Batches(Source(0))
    with pytest.raises(ValueError, match="leaves no batch of the 10 items"):
        Batches(Source(), 11, drop_last=True)
    with pytest.raises(ValueError, match="data_format must be"):
        Batches(Source(), data_format="NHWC")
    for name in ("batch_size", "workers"):
        with pytest.raises(ValueError, match=f"{name} must be a positive"):
            Batches(Source(), **{name: 0})


def small_model(first):
    image = keras.Input((3, 4, 6) if first else (4, 6, 3), name="image")
    conditioning = keras.Input((4,), name="conditioning")
    gate = keras.layers.Dense(2)(conditioning)
    gate = keras.layers.Reshape((2, 1, 1) if first else (1, 1, 2))(gate)
    gated = keras.layers.Multiply()([keras.layers.Conv2D(2, 1)(image), gate])
    logits = keras.layers.Conv2D(1, 1)(gated)
    model = keras.Model({"image": image, "conditioning": conditioning}, logits)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize("workers", [1, 2])
def test_every_epoch_of_fit_trains_once_on_every_item(workers):
    """What arrives in a step; Keras' own workers would repeat and miss items."""
    arrived = []

    def recorded(*state_and_data):
        arrived.extend(ops.convert_to_numpy(state_and_data[-1][1]).ravel().tolist())
        return train_step(*state_and_data)

    class Numbered(Source):
        def __getitem__(self, index):
            return {"x": np.ones(2, "float32"), "y": np.array([index], "float32")}

    batches = Batches(Numbered(), 2, "x", "y", shuffle=True, workers=workers)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", run_eagerly=True)
    train_step, model.train_step = model.train_step, recorded
    model.fit(batches, epochs=3, verbose=0, shuffle=False)
    epochs = np.reshape(arrived, (3, 10))
    np.testing.assert_array_equal(np.sort(epochs), [range(10)] * 3)
    assert len({tuple(e) for e in epochs}) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_fit_evaluate_and_predict_take_batches(workers):
    batches = Batches(Source(), 4, shuffle=True, workers=workers)
    first = keras.config.image_data_format() == "channels_first"
    model = small_model(first)
    model.fit(batches, verbose=0)
    assert np.isfinite(model.evaluate(batches, verbose=0))
    plain = Batches(Source(), 4, targets=None, workers=workers)
    predicted = model.predict(plain, verbose=0)
    assert predicted.shape == ((10, 1, 4, 6) if first else (10, 4, 6, 1))
    alone = model.predict(plain[0][0], verbose=0)
    np.testing.assert_allclose(predicted[:4], alone, atol=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="importing torch after TensorFlow can crash the process",
)
def test_a_torch_data_loader_takes_the_source_as_it_is():
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    (batch, rest) = data.DataLoader(Source(8), batch_size=5)
    assert tuple(batch["image"].shape) == (5, 4, 6, 3)
    np.testing.assert_array_equal(rest["conditioning"], np.eye(4)[[1, 2, 3]])
    assert rest["id"] == ["n5", "n6", "n7"]


def test_grain_takes_the_source_as_it_is():
    grain = pytest.importorskip("grain", reason="grain is not installed")
    first = next(iter(grain.MapDataset.source(Source(8)).batch(5)))
    assert first["image"].shape == (5, 4, 6, 3)
    np.testing.assert_array_equal(first["instances"][:, 0, 0], np.arange(5))
