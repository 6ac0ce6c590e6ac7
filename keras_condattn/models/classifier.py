"""A classifier whose scores are pooled from class maps, so that it localises."""

from typing import Any

import keras

from keras_condattn._export import export
from keras_condattn._types import Shape, Tensor
from keras_condattn.layers.summed_orthogonality import SummedOrthogonality
from keras_condattn.models.backbone import Backbone

POOLING = {"max": "GlobalMaxPooling{}", "average": "GlobalAveragePooling{}"}


@export
class ClassMapClassifier(keras.Model):
    """A functional classifier in torchvision's layer names.

    An ordinary functional model, `ClassMapClassifier(inputs, outputs)`; the class is
    what tells `keras_condattn.load_official` whose parameters fit. A layer is named
    as in torchvision, with `_` where that has a dot: `layer1_0_conv1`.

    Example:

    >>> model = keras_condattn.models.attention_resnet(
    ...     (32, 32, 1), 2, blocks=(1, 1, 1, 1), width=0.25, attention="se",
    ...     data_format="channels_last",
    ... )
    >>> isinstance(model, keras_condattn.models.ClassMapClassifier)
    True
    """


def class_map_classifier(
    net: Backbone,
    image: Tensor,
    x: Tensor,
    classes: int,
    *,
    pooling: str,
    classifier_activation: Any,
    return_class_maps: bool,
    return_attention: bool,
    name: str,
) -> ClassMapClassifier:
    """Ends a network: 1-wide class maps, pooled to a score for each class."""
    if pooling not in POOLING:
        raise ValueError(f"pooling must be one of {list(POOLING)}, got {pooling!r}")
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 1:
        raise ValueError(f"classes must be a positive integer, got {classes!r}")
    if net.orthogonality and net.orthogonality_weight:
        summed = SummedOrthogonality(net.orthogonality_weight, name="orthogonality")
        x = summed(x, net.orthogonality)
    # PyTorch's own start values of a convolution.
    start = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    conv = net.layer("Conv{}", classes, 1, kernel_initializer=start,
                     name="classifier_conv")  # fmt: skip
    # Softmax and losses want float32, whatever the network computes in.
    maps = keras.layers.Activation(
        "linear", dtype="float32", name="class_activation_map"
    )(conv(x))
    scores = net.layer(POOLING[pooling], dtype="float32", name="pooled")(maps)
    logits = keras.layers.Activation(
        classifier_activation or "linear", dtype="float32", name="logits"
    )(scores)
    outputs: dict[str, Any] = {"logits": logits}
    if return_class_maps:
        outputs["class_activation_map"] = maps
    if return_attention:
        outputs |= _maps(net)
    plain = not (return_class_maps or return_attention)
    return ClassMapClassifier(image, logits if plain else outputs, name=name)


def _maps(net: Backbone) -> dict[str, Any]:
    if not net.attention:
        raise ValueError(
            "return_attention=True: the attention layer gives no maps; it must return "
            "(features, attention)"
        )
    return net.attention


def required(input_shape: Shape | None, classes: int | None) -> tuple[Shape, int]:
    """Both, or a ValueError that names what registered weights have not brought."""
    if input_shape is None or classes is None:
        missing = [
            name
            for name, value in (("input_shape", input_shape), ("classes", classes))
            if value is None
        ]
        raise ValueError(
            f"{', '.join(missing)} must be given unless weights names a registered set"
        )
    return input_shape, classes
