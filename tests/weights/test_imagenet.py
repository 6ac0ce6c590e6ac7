"""ImageNet's parameters: torchvision's and Keras Applications', by path and name."""

import hashlib
import re

import h5py
import keras
import numpy as np
import pytest
from helpers import assert_close, to_format
from helpers_released import fill, resnet_shapes
from keras import ops

from keras_condattn.applications import ACMDenseNet121, ACMResNet50
from keras_condattn.models import attention_densenet, attention_resnet
from keras_condattn.weights import from_imagenet, imagenet
from keras_condattn.weights.backbones import backbone_slots, read_backbone

LEAVES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
PLANES, INNER = (8, 16, 32, 64), (8, 16, 32, 64)


def small(channels=3, attention="se", data_format="channels_last", **kwargs):
    first = data_format == "channels_first"
    shape = (channels, 32, 32) if first else (32, 32, channels)
    return attention_resnet(
        shape, 2, blocks=(1, 1, 1, 1), width=1 / 8, attention=attention,
        attention_options={"reduction": 4} if attention else None,
        data_format=data_format, **kwargs,
    )  # fmt: skip


def torchvision():
    """As in torchvision's files: with its own head, and no class maps."""
    shapes = resnet_shapes(3, 2, PLANES, INNER)
    shapes = {n: s for n, s in shapes.items() if not n.startswith("classifier_conv")}
    shapes |= {"fc.weight": (1000, 256), "fc.bias": (1000,)}
    return {name: fill(name, shape) for name, shape in shapes.items()}


def write(path, state):
    from safetensors.numpy import save_file

    save_file({n: np.ascontiguousarray(a) for n, a in state.items()}, path)
    return path


def values(model):
    return {v.path: np.array(ops.convert_to_numpy(v)) for v in model.variables}


def test_torchvision_s_file_and_what_stays_fresh(tmp_path):
    state, model = torchvision(), small()
    path, before = write(tmp_path / "a.safetensors", state), values(model)
    assert imagenet.load_backbone(model, path) is model
    after = values(model)
    kernel = state["layer3.0.conv2.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(after["layer3_0_conv2/kernel"], kernel)
    mean = state["layer4.0.downsample.1.running_mean"]
    np.testing.assert_array_equal(after["layer4_0_downsample_1/moving_mean"], mean)
    for name, old in before.items():
        fresh = "_module/" in name or name.startswith("classifier_conv")
        assert np.array_equal(after[name], old) == fresh, name


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_equal_channels_are_a_grey_picture(channels, data_format, tmp_path):
    path = write(tmp_path / "a.safetensors", torchvision())
    grey = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype("float32")
    outputs = []
    for n in (3, channels):
        model = imagenet.load_backbone(small(n, None, data_format), path)
        features = keras.Model(model.input, model.get_layer("layer4_0_out").output)
        image = to_format(np.repeat(grey, n, axis=-1), data_format)
        outputs.append(features.predict_on_batch(image))
    assert_close(outputs[1], outputs[0], 1e-5)


def test_what_does_not_fit_is_named_and_nothing_changes(tmp_path):
    state = torchvision()
    del state["layer1.0.bn1.bias"]
    state["layer1.0.conv3.weight"] = np.ones((4, 4, 1, 1), "float32")
    state["layer9.0.conv1.weight"] = np.ones((4, 4, 1, 1), "float32")
    path, model = write(tmp_path / "a.safetensors", state), small()
    before = values(model)
    with pytest.raises(ValueError, match=re.escape(f"weights: {path}")) as caught:
        imagenet.load_backbone(model, path)
    for text in ("missing: layer1_0_bn1/beta", "unexpected: layer9_0_conv1/kernel",
                 "layer1_0_conv3/kernel has shape (1, 1, 4, 4)"):  # fmt: skip
        assert text in str(caught.value)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be used"):
        imagenet.load_backbone(model, path)
    after = values(model)
    assert all(np.array_equal(before[n], after[n]) for n in before)


def test_old_names_of_densenets(tmp_path):
    model = attention_densenet(
        (32, 32, 3), 2, blocks=(1, 1, 1, 1), attention=None, data_format="channels_last"
    )
    state, expected = {}, {}
    for name, slot in backbone_slots(model).items():
        layer, part = name.split("/")
        official = re.sub(r"(denselayer\d+_)(norm|conv)(\d)", r"\1\2.\3", layer)
        leaf = LEAVES[part]
        array = fill(name, tuple(slot.variable.shape))
        expected[name] = array
        array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        state[f"features.{official.replace('_', '.')}.{leaf}"] = array
    imagenet.load_backbone(model, write(tmp_path / "a.safetensors", state))
    after = values(model)
    for name, array in expected.items():
        np.testing.assert_array_equal(after[name], array)


@pytest.fixture
def channels_last():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    yield
    keras.config.set_image_data_format(before)


def stirred(model):
    """Values under which no bias, mean or variance is at its start."""
    for variable in model.weights:
        array = fill(variable.path, tuple(variable.shape))
        if variable.name in ("moving_variance", "gamma"):
            array = 0.5 + np.abs(array)
        if variable.name == "kernel":
            array = array * np.sqrt(variable.shape[-1] / np.prod(variable.shape[:-1]))
        variable.assign(array)
    return model


def write_keras_2(path, model):
    with h5py.File(path, "w") as file:
        for layer in model.layers:
            group = file.create_group(layer.name)
            for v in layer.weights:
                group[f"{layer.name}/{v.name}:0"] = ops.convert_to_numpy(v)
        file.attrs["layer_names"] = [x.name.encode() for x in model.layers]
    return path


CASES = {
    "ResNet50": (
        ACMResNet50,
        {"stride_in_1x1": True},
        "conv5_block3_out",
        "layer4_2_out",
    ),
    "DenseNet121": (ACMDenseNet121, {}, "relu", "relu5"),
}


@pytest.mark.parametrize("name", CASES)
def test_keras_applications_compute_the_same(name, channels_last, tmp_path):
    make, options, theirs_at, ours_at = CASES[name]
    theirs = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(45, 64, 3)
    )
    stirred(theirs)
    path = tmp_path / "theirs.keras"
    theirs.save(path)
    ours = make((45, 64, 3), 2, attention=None, weights=path, **options)
    x = np.random.default_rng(0).normal(size=(1, 45, 64, 3)).astype("float32")
    features = [
        keras.Model(m.input, m.get_layer(at).output).predict_on_batch(x)
        for m, at in ((theirs, theirs_at), (ours, ours_at))
    ]
    assert np.abs(features[0]).max() > 0
    assert_close(features[1], features[0], 1e-4)
    expected = read_backbone(path)
    theirs.save_weights(tmp_path / "a.weights.h5")
    for other in ("a.weights.h5", write_keras_2(tmp_path / "a.h5", theirs).name):
        got = read_backbone(tmp_path / other)
        assert got.keys() == expected.keys()
        for key, array in expected.items():
            np.testing.assert_array_equal(got[key], array)


# -- by name ----------------------------------------------------------------------


def factory():
    """A small network under a published name."""

    @from_imagenet
    def ACMResNet50(channels=3, *, weights=None):
        assert weights is None
        return small(channels)

    return ACMResNet50


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A file:// mirror of one small file, and a cache of our own."""
    path = write(tmp_path / "resnet-small.safetensors", torchvision())
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))

    def publish(digest):
        source = imagenet.Source(path.as_uri(), digest)
        monkeypatch.setitem(imagenet.SOURCES, "imagenet", {"ACMResNet50": source})
        return path

    return publish


@pytest.mark.parametrize("digest", ["sha256", "md5"])
def test_by_name(digest, published, tmp_path):
    data = published("").read_bytes()
    whole = hashlib.new(digest, data).hexdigest()
    published(whole[:8] if digest == "sha256" else whole)
    model = factory()(weights="imagenet")
    kernel = torchvision()["conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(values(model)["conv1/kernel"], kernel)
    assert (tmp_path / "home/keras_condattn/resnet-small.safetensors").is_file()


def test_a_wrong_download_is_refused_and_deleted(published, tmp_path):
    path = published("00000000")
    with pytest.raises(ValueError, match="does not have the hash 00000000"):
        factory()(weights="imagenet")
    assert not list((tmp_path / "home/keras_condattn").glob("resnet*"))
    path.unlink()
    with pytest.raises(FileNotFoundError, match="could not be fetched"):
        factory()(weights="imagenet")


def test_names_and_files_that_are_not():
    make = factory()
    with pytest.raises(
        ValueError, match=r"\['imagenet', 'imagenet_keras'\].*'imgenet'"
    ):
        make(weights="imgenet")
    with pytest.raises(ValueError, match="existing file.*none.pth"):
        make(weights="/none.pth")
    with pytest.raises(ValueError, match="not published for ACMResNeXt50.*'imagenet'"):
        imagenet.imagenet_source("imagenet_keras", "ACMResNeXt50")
    with pytest.raises(TypeError, match="chanels"):
        make(chanels=3)
