"""Time of a training step of whole networks, conditioned in each way and not at all."""

import keras
import numpy as np

from benchmarks._speed_layer import shaped
from benchmarks._timing import interleaved
from keras_condattn.applications import InsideEncoderDecoder, InsideUNet

NETWORKS = {"none": None, "film": "film", "guiding": "guiding", "inside": "inside"}


def step(options):
    """Times of a training step, networks that are compared taking turns."""
    small, large = (32, 32) if options.quick else (96, 128)
    clevr = {
        name: InsideEncoderDecoder(
            shaped((16, small, small, 3))[1:], conditioning=conditioning
        )
        for name, conditioning in NETWORKS.items()
    }
    unets = {
        name: InsideUNet(
            shaped((12, large, large, 1))[1:], 4, 1, NETWORKS[name], filters=16
        )
        for name in ("none", "inside")
    }
    return [
        {
            "network": network,
            "size": size,
            "batch": batch,
            "conditioning": name,
            **times,
        }
        for network, size, batch, models in (
            ("InsideEncoderDecoder", small, 16, clevr),
            ("InsideUNet", large, 12, unets),
        )
        for name, times in interleaved(
            _steps(models, batch), 3 * options.seconds
        ).items()
    ]


def _steps(models, batch):
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
