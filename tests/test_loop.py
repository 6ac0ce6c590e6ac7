"""A loop gives what a loop gives, and its steps wait for one another."""

import threading
import time

import keras
import numpy as np
import pytest
from keras import ops

from keras_condattn._loop import serial_loop


def test_the_steps_in_their_order():
    def body(i, state):
        return state[0] * 2.0 + ops.cast(i, "float32"), state[1] + 1

    start = (ops.ones((2,)), ops.zeros((), "int32"))
    values, count = serial_loop(4, body, start)
    np.testing.assert_array_equal(ops.convert_to_numpy(values), [27.0, 27.0])
    assert int(count) == 4


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="others have no steps at once"
)
@pytest.mark.parametrize("loop", [serial_loop, None])
def test_one_step_at_a_time(loop):
    import tensorflow as tf

    lock, seen = threading.Lock(), {"now": 0, "most": 0}

    def slow(number):
        with lock:
            seen["now"] += 1
            seen["most"] = max(seen.values())
        time.sleep(0.02)
        with lock:
            seen["now"] -= 1
        return np.float32(number)

    @tf.function
    def run():
        def body(i, total):
            found = tf.numpy_function(slow, [i], tf.float32, stateful=False)
            return total + tf.ensure_shape(found, ())

        start = ops.zeros(())
        if loop:
            return loop(8, body, start)
        return ops.fori_loop(0, 8, body, start)

    assert float(run()) == 28
    # Where Keras or TensorFlow change their ways, `serial_loop` can go.
    assert (seen["most"] == 1) == (loop is not None)
