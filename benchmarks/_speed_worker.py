"""Measures on one backend, in a process of its own, for benchmarks.speed.

    KERAS_BACKEND=jax python -m benchmarks._speed_worker layer OUT.json [--quick]

torch runs in channels_first, the others in channels_last.
"""

import argparse
import json
import os
import pathlib

if os.environ["KERAS_BACKEND"] == "torch":
    import torch  # noqa: F401  before anything that may pull TensorFlow in

import keras

from benchmarks import _speed_attention, _speed_layer, _speed_step, study
from benchmarks._compiled import device

SIZES = ((16, 24, 24, 64), (8, 128, 128, 32), (4, 256, 256, 16))
PARTS = {
    "layer": _speed_layer.layer,
    "memory": _speed_layer.memory,
    "step": _speed_step.step,
    "attention": _speed_attention.attention,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=list(PARTS))
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.sizes = ((2, 8, 8, 4), (2, 128, 128, 8)) if options.quick else SIZES
    options.seconds = 0.2 if options.quick else 3.0
    if keras.backend.backend() == "torch":
        keras.config.set_image_data_format("channels_first")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # It takes functions of the same name for one function retraced.
        tf.get_logger().setLevel("ERROR")
    kind, name = device()
    measured = PARTS[options.what](options)
    content = {options.what: measured, "device": {"kind": kind, "name": name}}
    content["environment"] = study.environment()
    options.out.write_text(json.dumps(content))


if __name__ == "__main__":
    main()
