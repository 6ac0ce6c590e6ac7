"""Peak memory of a call: asked of the device, or of the kernel on a CPU."""

import gc

import keras

from benchmarks._compiled import device, wait

# On a CPU, what is measured is the process' resident memory. So every large block
# has to come from the system and go back to it at once (glibc), and TensorFlow must
# not keep a pool of its own (its oneDNN kernels do).
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "TF_ENABLE_ONEDNN_OPTS": "0"}


def peak_bytes(call):
    """Bytes held at the peak of `call()` beyond those held before it.

    The most of three calls: TensorFlow orders independent operations as threads fall
    free, and its peak varies with that.
    """
    wait(call())
    return max(_peak_of_one(call) for _ in range(3))


def _peak_of_one(call):
    gc.collect()
    start, peak = _meter()
    before = start()
    result = call()
    wait(result)
    return max(peak() - before, 0)


def _meter():
    if device()[0] == "cpu":
        return _reset_resident, lambda: _status("VmHWM")
    if keras.backend.backend() == "torch":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated, torch.cuda.max_memory_allocated
    import tensorflow as tf

    def info(key):
        return lambda: tf.config.experimental.get_memory_info("GPU:0")[key]

    tf.config.experimental.reset_memory_stats("GPU:0")
    return info("current"), info("peak")


def _status(field):
    with open("/proc/self/status") as file:
        return next(int(x.split()[1]) * 1024 for x in file if x.startswith(field))


def _reset_resident():
    # 5 sets the high-water mark back to what is resident now.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status("VmRSS")
