"""Measures on one backend, in a process of its own, for benchmarks.speed.

    KERAS_BACKEND=jax python -m benchmarks._speed_worker layer OUT.json [--quick]
"""

import argparse
import gc
import json
import os
import pathlib
import statistics
import time

if os.environ["KERAS_BACKEND"] == "torch":
    import torch  # noqa: F401  before anything that may pull TensorFlow in

import keras
import numpy as np
from keras import ops

from benchmarks import study
from benchmarks._compiled import compiled, device, floor, wait
from benchmarks._memory import peak_bytes
from benchmarks._reference import FORMULATIONS
from keras_condattn.applications import InsideEncoderDecoder, InsideUNet

SIZES = ((16, 24, 24, 64), (8, 128, 128, 32), (4, 256, 256, 16))
MODES = ("forward", "forward and backward")
NETWORKS = {"none": None, "film": "film", "guiding": "guiding", "inside": "inside"}


def interleaved(calls, seconds, least=5, most=60):
    """A, B, C, A, B, C, ...: a drift of the machine meets all of them alike."""
    for call in (*calls.values(), *calls.values()):
        wait(call())
    times = {name: [] for name in calls}
    gc.disable()
    end = time.perf_counter() + seconds
    for i in range(most):
        if i >= least and time.perf_counter() > end:
            break
        for name, call in calls.items():
            begin = time.perf_counter()
            result = call()
            wait(result)
            times[name].append(1e3 * (time.perf_counter() - begin))
            del result
    gc.enable()
    return {name: summary(values) for name, values in times.items()}


def summary(values):
    """Median and quartiles, in milliseconds."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median_ms": median, "quartiles_ms": [low, high], "runs": len(values)}


def shaped(size):
    """A channels-last size in the layout of this run."""
    if keras.config.image_data_format() == "channels_last":
        return size
    return (size[0], size[-1], *size[1:-1])


def layer_inputs(size):
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=shaped(size)).astype("float32") for _ in range(2))
    z = np.eye(4, dtype="float32")[np.arange(size[0]) % 4]
    return [ops.convert_to_tensor(a) for a in (x, z, g)]


def formulations(size):
    """Every way of writing INSIDE with the same weights, compiled."""
    functions, weights = {}, None
    for name, kind in FORMULATIONS.items():
        # The penalty is the same few values in all of them.
        layer = kind(penalty=0.0)
        layer.build(shaped(size), (size[0], 4))
        weights = weights or layer.get_weights()
        layer.set_weights(weights)
        functions[name] = compiled(layer)
    return functions


def check_equal(functions, inputs):
    """Output and feature gradient agree to 1e-5, of their largest value."""
    expected = [ops.convert_to_numpy(t) for t in functions["ours"][1](*inputs)]
    for name, (_, both) in functions.items():
        actual = [ops.convert_to_numpy(t) for t in both(*inputs)]
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            error = np.abs(a - e).max() / np.abs(e).max()
            # Weights gather a sum over every pixel, whose order differs.
            if error > (1e-5 if i < 2 else 1e-3):
                raise RuntimeError(f"{name}: tensor {i} is off by {error:.1e}")


def layer(options):
    """Times of every formulation at every size, and of the floor."""
    rows = []
    for size in options.sizes:
        functions, inputs = formulations(size), layer_inputs(size)
        check_equal(functions, inputs)
        functions["floor"] = floor()
        for i, mode in enumerate(MODES):
            calls = {n: (lambda f=f[i]: f(*inputs)) for n, f in functions.items()}
            rows.append({"size": size, "mode": mode,
                         "times": interleaved(calls, options.seconds)})  # fmt: skip
    return rows


def memory(options):
    """Peak memory of forward and backward; `planned` is XLA's own account."""
    rows = []
    for size in options.sizes:
        inputs = layer_inputs(size)
        for name, (_, both) in formulations(size).items():
            row = {"size": size, "formulation": name,
                   "features_bytes": 4 * int(np.prod(size)),
                   "peak_bytes": peak_bytes(lambda f=both: f(*inputs))}  # fmt: skip
            if hasattr(both, "memory"):
                row["planned_bytes"] = both.memory(*inputs)
            rows.append(row)
    return rows


def step(options):
    """Times of a training step, networks that are compared taking turns."""
    small, large = (32, 64) if options.quick else (96, 128)
    clevr = {
        f"encoder-decoder {small}, {name}": InsideEncoderDecoder(
            shaped((16, small, small, 3))[1:], conditioning=conditioning
        )
        for name, conditioning in NETWORKS.items()
    }
    unets = {
        f"U-Net {large}, {name}": InsideUNet(
            shaped((12, large, large, 1))[1:], 4, 1, NETWORKS[name], filters=16
        )
        for name in ("none", "inside")
    }
    times = interleaved(steps(clevr, 16), 3 * options.seconds)
    return times | interleaved(steps(unets, 12), 3 * options.seconds)


def steps(models, batch):
    """A call of `train_on_batch` for each model, on arrays that stay the same."""
    rng, calls = np.random.default_rng(0), {}
    for name, model in models.items():
        loss = keras.losses.BinaryFocalCrossentropy(
            apply_class_balancing=True, from_logits=True, reduction="sum"
        )
        model.compile(keras.optimizers.Adam(1e-3), loss)
        shape = model.output_shape[1:]
        y = (rng.uniform(size=(batch, *shape)) > 0.9).astype("float32")
        conditioned = isinstance(model.input, dict)
        image = model.input["image"] if conditioned else model.input
        x = rng.uniform(size=(batch, *image.shape[1:])).astype("float32")
        if conditioned:
            z = np.eye(4, dtype="float32")[np.arange(batch) % 4]
            x = {"image": x, "conditioning": z}
        # The loss comes back as a number, so the step is over by then.
        calls[name] = lambda m=model, x=x, y=y: m.train_on_batch(x, y) and []
    return calls


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["layer", "memory", "step"])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.sizes = ((2, 8, 8, 4), (2, 128, 128, 8)) if options.quick else SIZES
    options.seconds = 0.2 if options.quick else 4.0
    if keras.backend.backend() == "torch":
        keras.config.set_image_data_format("channels_first")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # It takes functions of the same name for one function retraced.
        tf.get_logger().setLevel("ERROR")
    kind, name = device()
    measured = {"layer": layer, "memory": memory, "step": step}[options.what](options)
    content = {options.what: measured, "device": {"kind": kind, "name": name}}
    content["environment"] = study.environment()
    options.out.write_text(json.dumps(content))


if __name__ == "__main__":
    main()
