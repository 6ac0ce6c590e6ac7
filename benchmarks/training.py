"""One run of a study: fit with early stopping, then measure, the same for all."""

import time

import keras
import numpy as np

from keras_condattn.datasets import Batches
from keras_condattn.metrics import dice_score


def batches_of(data, network, seed, batch_size):
    """Batches for each split; a network without conditioning reads the image alone."""
    return {
        split: Batches(
            source,
            batch_size=batch_size,
            inputs="image" if network == "none" else ("image", "conditioning"),
            shuffle=split == "train",
            seed=seed,
        )
        for split, source in data.items()
    }


def fit_and_measure(model, batches, loss, recipe):
    """Fits; keeps the weights of the best validation loss; measures them.

    Returns what goes into the run's result file. Test images are looked at once,
    after everything is chosen.
    """
    optimizer = keras.optimizers.Adam(recipe["learning_rate"])
    model.compile(optimizer, loss)
    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=recipe["patience"], restore_best_weights=True
    )
    begin = time.time()
    history = model.fit(
        batches["train"], validation_data=batches["validation"],
        epochs=recipe["epochs"], callbacks=[stop], verbose=2,
    ).history  # fmt: skip
    return {
        "recipe": recipe,
        "parameters": model.count_params(),
        "images": {split: len(b.source) for split, b in batches.items()},
        "epochs_run": len(history["loss"]),
        "best_epoch": int(np.argmin(history["val_loss"])) + 1,
        "seconds_fit": time.time() - begin,
        "history": history,
        **{
            split: measure(model, batches[split])
            for split in ("validation", "test")
            if split in batches
        },
    }


def measure(model, batches):
    """Hard and soft Dice, averaged over images."""
    logits = model.predict(batches, verbose=0)
    labels = np.concatenate([batches[i][1] for i in range(len(batches))])
    return {
        "hard_dice": float(dice_score(labels, logits)),
        "soft_dice": float(dice_score(labels, logits, threshold=None)),
        "images": len(labels),
    }
