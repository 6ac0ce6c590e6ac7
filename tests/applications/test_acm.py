"""The ACM classifiers: sizes, maps, weights by path, bad arguments."""

import keras
import numpy as np
import pytest

from keras_condattn import applications
from keras_condattn.applications import ACMDenseNet121, ACMResNet50, ACMResNeXt101

# torchvision's own counts, less its head of 1000 classes.
PARAMETERS = {
    "ACMResNet50": 25_557_032 - 2_049_000,
    "ACMResNeXt50": 25_028_904 - 2_049_000,
    "ACMDenseNet121": 7_978_856 - 1_025_000,
}


@pytest.mark.pure
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    make = getattr(applications, name)
    model = make((32, 32, 3), 3, attention=None, data_format="channels_last")
    head = model.get_layer("classifier_conv").count_params()
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trained - head == PARAMETERS[name]


@pytest.mark.pure
def test_deep_ones():
    model = ACMResNeXt101(
        (32, 32, 1), 2, width=0.25, attention="acm", data_format="channels_last"
    )
    assert sum(x.name.endswith("_module") for x in model.layers) == 33
    conv = model.get_layer("layer1_0_conv2")
    assert (conv.groups, conv.filters) == (32, 64)
    deep = applications.ACMResNet101(
        (32, 32, 1), 2, width=0.125, attention=None, data_format="channels_last"
    )
    assert sum(x.name.endswith("_conv2") for x in deep.layers) == 33


def test_released_module_parameters():
    """682,624 in the release, of which 1,024 are biases that a softmax cannot see."""
    model = ACMResNet50((32, 32, 3), 14, data_format="channels_last")
    counts = [x.count_params() for x in model.layers if x.name.endswith("_module")]
    assert len(counts) == 16 and sum(counts) == 682_624 - 16 * 2 * 32


def test_a_grouped_network_trains(data_format):
    first = data_format == "channels_first"
    model = applications.ACMResNeXt50(
        (1, 32, 32) if first else (32, 32, 1), 2, "se", "average", width=0.25,
        attention_at="last", data_format=data_format,
    )  # fmt: skip
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:]))
    before = np.array(
        keras.ops.convert_to_numpy(model.get_layer("layer1_0_conv2").kernel)
    )
    model.fit(x.astype("float32"), np.eye(2, dtype="float32"), verbose=0)
    after = keras.ops.convert_to_numpy(model.get_layer("layer1_0_conv2").kernel)
    assert not np.array_equal(before, after) and np.isfinite(after).all()


def test_weights_by_path(tmp_path):
    def make(**kwargs):
        return ACMDenseNet121(
            (32, 32, 1), 2, width=0.25, attention_options={"groups": 8},
            return_class_maps=True, data_format="channels_last", **kwargs,
        )  # fmt: skip

    model = make()
    model.save_weights(tmp_path / "m.weights.h5")
    again = make(weights=tmp_path / "m.weights.h5")
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype("float32")
    one, other = model.predict_on_batch(x), again.predict_on_batch(x)
    np.testing.assert_array_equal(one["logits"], other["logits"])
    assert one["class_activation_map"].shape == (1, 1, 1, 2)


@pytest.mark.pure
def test_bad_arguments():
    with pytest.raises(ValueError, match="^input_shape, classes must be given"):
        ACMResNet50()
    with pytest.raises(ValueError, match="^classes must be given"):
        ACMDenseNet121((32, 32, 3))
    with pytest.raises(ValueError, match="weights must be None.*'imagenet'.*'imgnet'"):
        ACMResNet50((32, 32, 3), 2, weights="imgnet")
