"""The released names of UNetCAM."""

from typing import Any

from keras_condattn.weights._slots import Slots, torch_layer, torch_norm

DOWN = ("encoder_s2", "encoder_s4", "bottleneck")
UP = ("decoder_s4", "decoder_s2", "decoder_s1")


def cam_network(model: Any) -> Slots:
    """The names of the network of one modality."""
    blocks = {
        "inc.conv.conv": "encoder_s1",
        **{f"down{i}.mpconv.1.conv": level for i, level in enumerate(DOWN, 1)},
        **{f"up{i}.conv.conv": level for i, level in enumerate(UP, 1)},
    }
    places = [("backbone.0", "backbone.1", "backbone")]
    for part, level in blocks.items():
        places += [(f"{part}.{c}", f"{part}.{c + 1}", f"{level}_{i}")
                   for c, i in ((0, 1), (3, 2))]  # fmt: skip
    last = next(layer for layer in model.layers if layer.name.endswith("classifier"))
    prefix = last.name.removesuffix("classifier")
    slots = torch_layer("classifier", last)
    for convolution, norm, name in places:
        slots |= torch_layer(convolution, model.get_layer(f"{prefix}{name}_conv"))
        slots |= torch_norm(norm, model.get_layer(f"{prefix}{name}_norm"))
    return slots
