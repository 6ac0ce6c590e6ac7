"""Writes atten_scribble_unet.npz: the released network's numbers, in plain PyTorch.

Run as `python tests/parity/make_atten_scribble.py <folder of goldens>`. The network is
written here function by function from the description of the released one (dropout off,
normalisation by the moving statistics); its parameters come from `fill`, under the
released names. K keeps the neighbours of radius 2, zero outside the image.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from torch.nn import functional as F

RADIUS = 2


def block(x, state, name):
    for convolution, norm in ((0, 1), (4, 5)):
        c, n = (f"{name}.conv_conv.{i}" for i in (convolution, norm))
        x = F.conv2d(x, state[f"{c}.weight"], state[f"{c}.bias"], padding=1)
        statistics = state[f"{n}.running_mean"], state[f"{n}.running_var"]
        x = F.batch_norm(x, *statistics, state[f"{n}.weight"], state[f"{n}.bias"])
        x = F.leaky_relu(x, 0.01)
    return x


def attention(x, state):
    size, at = x.shape[2:], "encoder.block1.0."

    def norm(t, name):
        return F.layer_norm(
            t, t.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"]
        )

    def linear(t, name):
        return F.linear(t, state[f"{at}{name}.weight"], state.get(f"{at}{name}.bias"))

    tokens = x.flatten(2).transpose(1, 2)
    normed = norm(tokens, at + "norm1")
    q = linear(normed, "attn.q")
    k, v = linear(normed, "attn.kv").chunk(2, -1)
    logits = q @ k.transpose(1, 2)
    out = (logits / q.shape[-1] ** 0.5).softmax(-1) @ v
    tokens = tokens + linear(out, "attn.proj")
    hidden = linear(norm(tokens, at + "norm2"), "mlp.fc1")
    hidden = hidden.transpose(1, 2).unflatten(2, size)
    depthwise = at + "mlp.dwconv.dwconv"
    hidden = F.conv2d(
        hidden, state[f"{depthwise}.weight"], state[f"{depthwise}.bias"], padding=1,
        groups=hidden.shape[1],
    )  # fmt: skip
    hidden = F.gelu(hidden.flatten(2).transpose(1, 2))
    tokens = norm(tokens + linear(hidden, "mlp.fc2"), "encoder.norm1")
    share = logits.softmax(-1)
    weight, bias = (state[f"encoder.attn_proj.{v}"] for v in ("weight", "bias"))
    similarity = (weight.squeeze() * (share + share.transpose(1, 2)) + bias).sigmoid()
    return tokens.transpose(1, 2).unflatten(2, size), similarity


def network(x, state):
    found = []
    for i in range(5):
        name = f"encoder.down{i}.maxpool_conv.1" if i else "encoder.in_conv"
        x = block(F.max_pool2d(x, 2) if i else x, state, name)
        if i == 2:
            x, similarity = attention(x, state)
        found.append(x)
    for i in range(1, 5):
        name = f"decoder.up{i}"
        x = F.conv2d(x, state[f"{name}.conv1x1.weight"], state[f"{name}.conv1x1.bias"])
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        x = block(torch.cat([found[4 - i], x], 1), state, f"{name}.conv")
    out = "decoder.out_conv"
    return F.conv2d(x, state[f"{out}.weight"], state[f"{out}.bias"], padding=1), (
        similarity
    )


def windowed(full, size):
    """(B, N, N) as the neighbours of each pixel."""
    width = 2 * RADIUS + 1
    window = np.zeros((len(full), *size, width**2), "float32")
    for y, x, place in np.ndindex(*size, width**2):
        v, u = y + place // width - RADIUS, x + place % width - RADIUS
        if 0 <= v < size[0] and 0 <= u < size[1] and (v, u) != (y, x):
            window[:, y, x, place] = full[:, y * size[1] + x, v * size[1] + u]
    return window


def main(goldens):
    sys.path.insert(0, str(goldens))
    from fill import fill

    shapes = json.loads((goldens / "attenscribble_model_shapes.json").read_text())
    state = {name: torch.tensor(fill(name, shape)) for name, shape in shapes.items()}
    # So that K is more than a constant at this size.
    state["encoder.attn_proj.weight"] = torch.full((1, 1, 1, 1), 5.0)
    image = np.random.default_rng(0).normal(size=(2, 32, 48, 1)).astype("float32")
    with torch.no_grad():
        logits, full = network(torch.tensor(image).permute(0, 3, 1, 2), state)
    np.savez_compressed(
        pathlib.Path(__file__).parent / "atten_scribble_unet.npz",
        image=image, mask=logits.permute(0, 2, 3, 1).numpy(),
        similarity=windowed(full.numpy(), (8, 12)), attn_proj_weight=np.float32(5),
    )  # fmt: skip


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
