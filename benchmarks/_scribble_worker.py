"""Measures on one backend, in a process of its own, for benchmarks.scribble_speed.

    KERAS_BACKEND=jax python -m benchmarks._scribble_worker step SIZE OUT.json
    KERAS_BACKEND=jax python -m benchmarks._scribble_worker step:dense SIZE OUT.json

The first lets all formulations of a thing take turns. The other form measures the
memory of one alone. torch runs in channels_first, the others in channels_last.
"""

import argparse
import json
import os
import pathlib

if os.environ["KERAS_BACKEND"] == "torch":
    import torch  # noqa: F401  before anything that may pull TensorFlow in

import keras

from benchmarks import _memory, study
from benchmarks._compiled import device, wait
from benchmarks._scribble_cases import cases, check_equal, needed_bytes
from benchmarks._timing import interleaved
from benchmarks.scribble_speed import WHATS

SMALLEST = 64


def times(what, size, options):
    """The medians of all formulations."""
    if size <= SMALLEST:
        check_equal(what, size)
    fits = [name for name in WHATS[what] if not too_large(what, name, size)]
    calls = cases(what, size, fits)
    found = interleaved(calls, options.seconds, least=options.least, collect=True)
    return {"what": what, "size": size, "times": found}


def memory(what, formulation, size):
    """Peak of one call beyond what is held before it, and of the whole process."""
    row = {"what": what, "formulation": formulation, "size": size}
    if too_large(what, formulation, size):
        return row | {"peak_bytes": None, "process_bytes": None}
    imported = _memory._status("VmRSS")
    call = cases(what, size, [formulation])[formulation]
    if device()[0] == "gpu" and keras.backend.backend() == "jax":
        wait(call())  # its peak cannot be reset
        return row | {"peak_bytes": None, "process_bytes": None}
    peak = _memory.peak_bytes(call)
    return row | {"peak_bytes": peak, "process_bytes": _memory._status("VmHWM"),
                  "imported_bytes": imported}  # fmt: skip


def too_large(what, formulation, size):
    """Whether it would need more than most of what this machine has free."""
    with open("/proc/meminfo") as file:
        line = next(x for x in file if x.startswith("MemAvailable"))
    return needed_bytes(what, formulation, size) > 0.8 * 1024 * int(line.split()[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what")
    parser.add_argument("size", type=int)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--least", type=int, default=3)
    options = parser.parse_args()
    if keras.backend.backend() == "torch":
        keras.config.set_image_data_format("channels_first")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # It takes functions of the same name for one function retraced.
        tf.get_logger().setLevel("ERROR")
    what, *alone = options.what.split(":")
    row = (
        memory(what, *alone, options.size) if alone
        else times(what, options.size, options)
    )  # fmt: skip
    kind, name = device()
    about = {"device": {"kind": kind, "name": name}, "environment": study.environment()}
    options.out.write_text(json.dumps({"row": row, **about}))


if __name__ == "__main__":
    main()
