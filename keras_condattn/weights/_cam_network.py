"""The released names of UNetCAM."""

from typing import Any

from keras_condattn.weights._slots import Slots, torch_layer, torch_norm


def cam_network(model: Any) -> Slots:
    """The names of the network of one modality."""
    scales = [2**i for i in range(sum(x.name.endswith("_pool") for x in model.layers))]
    first, *down = [*(f"encoder_s{s}" for s in scales), "bottleneck"]
    up = [f"decoder_s{s}" for s in reversed(scales)]
    blocks = {
        "inc.conv.conv": first,
        **{f"down{i}.mpconv.1.conv": level for i, level in enumerate(down, 1)},
        **{f"up{i}.conv.conv": level for i, level in enumerate(up, 1)},
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
