"""Time and memory of the INSIDE layer, written in several ways."""

from functools import partial

import keras
import numpy as np
from keras import ops

from benchmarks._compiled import compiled, device, floor
from benchmarks._memory import peak_bytes
from benchmarks._reference import FORMULATIONS
from benchmarks._timing import interleaved

MODES = ("forward", "forward and backward")


def shaped(size):
    """A channels-last size in the layout of this run."""
    if keras.config.image_data_format() == "channels_last":
        return size
    return (size[0], size[-1], *size[1:-1])


def _inputs(size):
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=shaped(size)).astype("float32") for _ in range(2))
    z = np.eye(4, dtype="float32")[np.arange(size[0]) % 4]
    return [ops.convert_to_tensor(a) for a in (x, z, g)]


def _formulations(size):
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


def _check_equal(functions, inputs):
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
        functions, inputs = _formulations(size), _inputs(size)
        _check_equal(functions, inputs)
        functions["floor"] = floor()
        for i, mode in enumerate(MODES):
            calls = {n: partial(f[i], *inputs) for n, f in functions.items()}
            rows.append({"size": size, "mode": mode,
                         "times": interleaved(calls, options.seconds)})  # fmt: skip
    return rows


def memory(options):
    """Peak memory of forward and backward; `planned` is XLA's own account."""
    rows = []
    for size in options.sizes:
        inputs = _inputs(size)
        for name, (_, both) in _formulations(size).items():
            plan = getattr(both, "planned_bytes", None)
            planned = plan(*inputs) if plan else None
            # A GPU's peak cannot be reset from JAX: there the plan has to do.
            measured = planned is None or device()[0] == "cpu"
            peak = peak_bytes(partial(both, *inputs)) if measured else planned
            rows.append({
                "size": size,
                "formulation": name,
                "features_bytes": 4 * int(np.prod(size)),
                "planned_bytes": planned,
                "peak_bytes": peak,
            })  # fmt: skip
    return rows
