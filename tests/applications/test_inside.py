"""InsideUNet and InsideEncoderDecoder: signatures, geometry, saving, bad arguments."""

import keras
import numpy as np
import pytest
from helpers import to_format

import keras_condattn
from keras_condattn.applications import InsideEncoderDecoder, InsideUNet


def arrays(size, channels, vector, data_format):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(3, *size, channels)).astype("float32")
    conditioning = rng.normal(size=(3, vector)).astype("float32")
    return {"image": to_format(image, data_format), "conditioning": conditioning}


def shape(size, channels, data_format):
    first = data_format == "channels_first"
    return (channels, *size) if first else (*size, channels)


MAKE = {
    "encoder_decoder": lambda f, **k: InsideEncoderDecoder(
        shape((8, 12), 3, f), data_format=f, **k
    ),
    "unet": lambda f, **k: InsideUNet(
        shape((8, 12), 3, f), 4, 1, filters=4, depth=2, data_format=f, **k
    ),
}
models = pytest.mark.parametrize("name", MAKE)


@models
def test_saved_is_the_same_and_trains_on(name, data_format, tmp_path):
    model = MAKE[name](data_format)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    x = arrays((8, 12), 3, 4, data_format)
    y = (
        x["image"][:, :1] if data_format == "channels_first" else x["image"][..., :1]
    ) > 0
    model.fit(x, y.astype("float32"), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )
    losses = [
        m.fit(x, y.astype("float32"), verbose=0).history["loss"][0]
        for m in (model, loaded)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@models
def test_weights_by_path(name, data_format, tmp_path):
    model = MAKE[name](data_format)
    model.save_weights(tmp_path / "m.weights.h5")
    again = MAKE[name](data_format, weights=tmp_path / "m.weights.h5")
    x = arrays((8, 12), 3, 4, data_format)
    np.testing.assert_array_equal(model.predict_on_batch(x), again.predict_on_batch(x))


@models
def test_a_truncated_file_is_named(name, tmp_path):
    path = tmp_path / "m.weights.h5"
    MAKE[name]("channels_last").save_weights(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"weights: .*m\.weights\.h5 is damaged"):
        MAKE[name]("channels_last", weights=path)


@models
def test_unknown_weights(name):
    with pytest.raises(ValueError, match="weights.*clevr_seg_insdie"):
        MAKE[name]("channels_last", weights="clevr_seg_insdie")


@models
def test_unknown_conditioning(name):
    with pytest.raises(ValueError, match=r"conditioning must be one of.*'inisde'"):
        MAKE[name]("channels_last", conditioning="inisde")


def test_default_shape_follows_the_data_format():
    for data_format in ("channels_last", "channels_first"):
        model = InsideEncoderDecoder(data_format=data_format, conditioning="film")
        assert model.output_shape[1:] == shape((200, 200), 1, data_format)


def test_the_paper_s_network():
    model = InsideEncoderDecoder(data_format="channels_last")
    convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert [x.filters for x in convolutions] == [16, 32, 64, 64, 32, 16, 1]
    (inside,) = [x for x in model.layers if type(x).__name__ == "INSIDE"]
    assert tuple(inside.output.shape) == (None, 50, 50, 64)
    assert tuple(inside.fc_1.kernel.shape) == (4, 32)
    assert inside.max_sigma == 3.5


def test_unet_names_what_is_missing():
    with pytest.raises(ValueError, match="input_shape, conditioning_size, classes"):
        InsideUNet()
    with pytest.raises(ValueError, match="^classes must be given"):
        InsideUNet((8, 8, 1), conditioning=None, data_format="channels_last")
    with pytest.raises(ValueError, match=r"multiple of 16.*to \(64, 112\)"):
        InsideUNet((60, 100, 1), 4, 2, data_format="channels_last")


def test_list_models():
    names = keras_condattn.list_models()
    assert {"InsideUNet", "InsideEncoderDecoder"} <= set(names)
    assert "list_models" not in names
    table = repr(names).splitlines()
    assert len(table) == len(names) and all(" " in line for line in table)
