"""The released names of AttenScribble's U-Net, and of WSL4MIS's without attention."""

from typing import Any

from keras_condattn.weights._slots import (
    DENSE,
    DEPTHWISE,
    Slot,
    Slots,
    reshaped,
    torch_layer,
    torch_norm,
)

# Sublayers of AttentiveSimilarity.
DENSE_LAYERS = {
    "attn.q": "query", "attn.kv": "key_value", "attn.proj": "projection",
    "mlp.fc1": "expand", "mlp.fc2": "contract",
}  # fmt: skip


def scribble_unet(model: Any) -> Slots:
    """The names of a whole network; a `ScribbleModel` of another kind has none."""
    layers = {layer.name: layer for layer in model.layers}
    strides = [2**i for i in range(len(layers)) if f"encoder_s{2**i}_conv_1" in layers]
    if not strides or "bottleneck_conv_1" not in layers:
        raise TypeError(
            "layer_or_model must be an AttenScribbleUNet to hold released parameters, "
            f"got {type(model).__name__} {model.name!r} of other layers"
        )
    slots: Slots = {}
    down = [*(f"encoder_s{stride}" for stride in strides), "bottleneck"]
    for i, level in enumerate(down):
        part = f"encoder.down{i}.maxpool_conv.1" if i else "encoder.in_conv"
        slots |= _block(part, level, layers)
    for i, stride in enumerate(reversed(strides), 1):
        level, part = f"decoder_s{stride}", f"decoder.up{i}"
        slots |= torch_layer(f"{part}.conv1x1", layers[f"{level}_reduce"])
        slots |= _block(f"{part}.conv", level, layers)
    slots |= torch_layer("decoder.out_conv", layers["logits"])
    if "similarity" in layers:
        slots |= _attention(layers["similarity"])
    return slots


def _block(part: str, level: str, layers: dict[str, Any]) -> Slots:
    slots: Slots = {}
    for i, (convolution, norm) in enumerate(((0, 1), (4, 5)), 1):
        name = f"{part}.conv_conv"
        slots |= torch_layer(f"{name}.{convolution}", layers[f"{level}_conv_{i}"])
        slots |= torch_norm(f"{name}.{norm}", layers[f"{level}_norm_{i}"])
    return slots


def _attention(layer: Any) -> Slots:
    slots: Slots = {}
    for name, own in DENSE_LAYERS.items():
        slots |= torch_layer(f"encoder.block1.0.{name}", getattr(layer, own), DENSE)
    dwconv = "encoder.block1.0.mlp.dwconv.dwconv"
    slots |= torch_layer(dwconv, layer.depthwise, DEPTHWISE)
    slots |= torch_norm("encoder.block1.0.norm1", layer.attention_norm)
    slots |= torch_norm("encoder.block1.0.norm2", layer.mlp_norm)
    slots |= torch_norm("encoder.norm1", layer.norm)
    # A convolution of one channel, 1x1, is a factor and an offset.
    weight, bias = layer.similarity_weight, layer.similarity_bias
    slots["encoder.attn_proj.weight"] = Slot(weight, reshaped((1, 1, 1, 1), ()))
    slots["encoder.attn_proj.bias"] = Slot(bias, reshaped((1,), ()))
    return slots
