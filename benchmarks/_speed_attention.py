"""What attention in all sixteen blocks adds to a training step of ResNet-50."""

import gc

import keras
import numpy as np
from keras import ops

from benchmarks._speed_layer import shaped
from benchmarks._timing import interleaved
from keras_condattn.layers import ACM
from keras_condattn.models import attention_resnet

BATCH = 4


class TwoPasses(ACM):
    """ACM as its formula reads: K and Q one after the other, then P (X + K - Q)."""

    def call(self, features):
        features = self._checked(features)
        flat = self._flat(features)
        if self.channel_axis == -1:
            flat = ops.swapaxes(flat, 1, 2)
        width = self.channels // self.groups
        grouped = ops.reshape(flat, (ops.shape(flat)[0], self.groups, width, -1))
        mean = ops.mean(grouped, axis=-1)
        key, query = (
            self._attended(kernel, grouped) for kernel in (self.key, self.query)
        )
        self.add_loss(
            self.orthogonality_weight * ops.abs(ops.mean((key - mean) * (query - mean)))
        )
        key, query, gain = (
            self._per_channel(v, features) for v in (key, query, self._modulator(mean))
        )
        return (features + key - query) * gain

    def _attended(self, kernel, grouped):
        logits = ops.einsum("gc,bgcn->bgn", kernel, grouped)
        return ops.sum(ops.softmax(logits, axis=-1)[:, :, None] * grouped, axis=-1)


VARIANTS = {
    "none": None,
    "acm": ACM,
    "acm in two passes": TwoPasses,
    "se": "se",
    "nl": "nl",
    "cc": "cc",
}
# What takes turns. NL and CC hold maps that leave the others' memory in disorder.
GROUPS = (("none", "acm", "acm in two passes", "se"), ("none", "nl", "cc"))


def attention(options):
    """Times of a training step, and parameters, of each variant."""
    found = {}
    for names in GROUPS:
        # What was measured without attention first stays.
        found = group(names, options) | found
        keras.backend.clear_session()
        gc.collect()
    return [found[name] for name in VARIANTS]


def group(names, options):
    """name -> what was measured of some variants that took turns."""
    size = 64 if options.quick else 224
    models = {name: network(VARIANTS[name], size) for name in names}
    if "acm" in models:
        check_equal(models, size)
    rng = np.random.default_rng(0)
    x = rng.normal(size=shaped((BATCH, size, size, 3))).astype("float32")
    y = (rng.uniform(size=(BATCH, 14)) > 0.9).astype("float32")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    for model in models.values():
        model.compile(keras.optimizers.Adam(1e-4), loss)
    # The loss comes back as a number, so the step is over by then.
    calls = {n: lambda m=m: m.train_on_batch(x, y) and [] for n, m in models.items()}
    times = interleaved(calls, 10 * len(calls) * options.seconds, collect=True)
    return {
        name: {"attention": name, "size": size, "batch": BATCH,
               "parameters": model.count_params(),
               "none_ms": times["none"]["median_ms"], **times[name]}
        for name, model in models.items()
    }  # fmt: skip


def network(kind, size):
    make = kind
    if isinstance(kind, type):
        make = kind(data_format=keras.config.image_data_format())
    return attention_resnet(shaped((1, size, size, 3))[1:], 14, attention=make)


def check_equal(models, size):
    """Both ways of writing ACM give the same scores."""
    ours, other = models["acm"], models["acm in two passes"]
    other.set_weights(ours.get_weights())
    x = np.random.default_rng(1).normal(size=shaped((2, size, size, 3)))
    expected, actual = ours.predict_on_batch(x), other.predict_on_batch(x)
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    if error > 1e-4:
        raise RuntimeError(f"the two ways of writing ACM differ by {error:.1e}")
