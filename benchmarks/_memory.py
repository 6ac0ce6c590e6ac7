"""Peak memory of a call: asked of the device, or of the kernel on a CPU."""

import gc

import keras

from benchmarks._compiled import device, wait


def peak_bytes(call):
    """Bytes held at the peak of `call()` beyond those held before it.

    On a CPU this is the process' resident memory, so large blocks must come from and
    go back to the system one by one: run under MALLOC_MMAP_THRESHOLD_=65536.
    """
    wait(call())
    gc.collect()
    start, peak = _device if device()[0] == "gpu" else _resident
    before = start()
    result = call()
    wait(result)
    return max(peak() - before, 0)


def _status(field):
    with open("/proc/self/status") as file:
        return next(int(x.split()[1]) * 1024 for x in file if x.startswith(field))


def _reset_resident():
    # 5 sets the high-water mark back to what is resident now.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status("VmRSS")


def _reset_device():
    if keras.backend.backend() == "torch":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if keras.backend.backend() == "jax":
        import jax

        # JAX cannot reset its peak: what counts is how far this call raises it.
        return jax.devices()[0].memory_stats()["bytes_in_use"]
    import tensorflow as tf

    tf.config.experimental.reset_memory_stats("GPU:0")
    return tf.config.experimental.get_memory_info("GPU:0")["current"]


def _peak_device():
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated()
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"]
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


_resident = _reset_resident, lambda: _status("VmHWM")
_device = _reset_device, _peak_device
