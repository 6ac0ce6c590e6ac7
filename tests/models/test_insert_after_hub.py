"""insert_after in the backbones of keras-hub and keras-cv, where they are installed."""

import keras
import numpy as np
import pytest

from keras_condattn import insert_after, layers

SHAPE = (32, 32, 3)


def hub_resnet(hub):
    return hub.models.ResNetBackbone(
        input_conv_filters=[8], input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64], stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2], block_type="bottleneck_block", image_shape=SHAPE,
    )  # fmt: skip


def hub_densenet(hub):
    return hub.models.DenseNetBackbone(
        stackwise_num_repeats=[1, 1], compression_ratio=0.5, growth_rate=8,
        image_shape=SHAPE,
    )  # fmt: skip


def cv_densenet(cv):
    return cv.models.DenseNetBackbone(
        stackwise_num_repeats=[1, 1], include_rescaling=True, input_shape=SHAPE
    )


@pytest.mark.parametrize(
    ("library", "make", "pattern"),
    [
        ("keras_hub", hub_resnet, r"stack\d_block\d_3_bn"),
        ("keras_hub", hub_densenet, r".*_bn"),
        ("keras_cv", cv_densenet, r".*_bn"),
    ],
)
def test_backbone(library, make, pattern, tmp_path):
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        model = make(module)
        copy = insert_after(
            model, pattern, lambda name, channels: layers.GlobalContext(
                4, name=f"{name}_gc"
            ),
        )  # fmt: skip
        assert sum(layer.name.endswith("_gc") for layer in copy.layers) > 1
        x = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")
        got = keras.tree.flatten(copy.predict_on_batch(x))
        # GlobalContext starts as the identity.
        for e, g in zip(
            keras.tree.flatten(model.predict_on_batch(x)), got, strict=True
        ):
            np.testing.assert_array_equal(e, g)
        copy.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        for e, g in zip(
            got, keras.tree.flatten(loaded.predict_on_batch(x)), strict=True
        ):
            np.testing.assert_array_equal(e, g)
    finally:
        keras.config.set_image_data_format(before)
