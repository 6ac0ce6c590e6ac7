"""INSIDE on real hearts: does knowing phase and slice position help, and when?

    python -m benchmarks.acdc                    # every run that has no result yet
    python -m benchmarks.acdc --seeds 0 --shares 6
    python -m benchmarks.acdc --table
    python -m benchmarks.publish acdc

Four networks, three sizes of training set, one recipe with a fixed number of steps and
no choice of weights: the last iterate counts. Every run is one JSON under
benchmarks/results/acdc. A seed sets the weights, the order, the augmentation and which
patients make the quarter and the six per cent; the 16 test patients are the same in all
runs, and nothing here was chosen on them.
"""

import argparse
import math
import os
import pathlib
import time

import keras
import numpy as np

import keras_condattn
from benchmarks import study
from keras_condattn.datasets import Batches, acdc
from keras_condattn.metrics import volume_scores

STUDY = "acdc"
NETWORKS = {"none": None, "film": "film", "guiding": "guiding", "inside": "inside"}
SHARES = {100: 1.0, 25: 0.25, 6: 0.06}
FRAME = {"normalise": "zscore", "spacing": (1.5, 1.5), "size": (128, 128)}
RECIPE = {"learning_rate": 1.5e-3, "batch_size": 12, "steps": 800,
          "loss": "cross-entropy + Dice", "schedule": "cosine to 0"}  # fmt: skip
# The loss is a mean over pixels: beside it the penalty would rule the training.
INSIDE = {"penalty": 0.0}
STRUCTURES = acdc.CLASSES[1:]
# One heart under two names, with two labels.
TWINS = ("patient074", "patient076")


class CrossEntropyDice(keras.losses.Loss):
    """Cross-entropy, mean over pixels, and Dice, mean over the classes of a batch."""

    def __init__(self, classes=4, name="cross_entropy_dice"):
        super().__init__(name=name)
        self.classes = classes
        self.entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def call(self, y_true, y_pred):
        if channels_first():  # Keras' sparse loss knows the last axis only
            y_pred = keras.ops.moveaxis(y_pred, 1, -1)
        truth = keras.ops.one_hot(y_true, self.classes, dtype="float32")
        pixels = list(range(len(y_pred.shape) - 1))
        dice = keras.losses.dice(truth, keras.ops.softmax(y_pred), axis=pixels)
        return self.entropy(y_true, y_pred) + keras.ops.mean(dice)


def channels_first():
    return keras.config.image_data_format() == "channels_first"


def build(network, **kwargs):
    size = FRAME["size"][0]
    return keras_condattn.applications.InsideUNet(
        (1, size, size) if channels_first() else (size, size, 1),
        conditioning_size=3, classes=4, conditioning=NETWORKS[network],
        conditioning_options=INSIDE if network == "inside" else None, **kwargs,
    )  # fmt: skip


def fit(model, source, seed, recipe, conditioned=True):
    """Trains for the recipe's number of steps; the last iterate counts."""
    batches = Batches(
        source, recipe["batch_size"], ("image", "conditioning") if conditioned
        else "image", shuffle=True, seed=seed,
    )  # fmt: skip
    epochs = max(round(recipe["steps"] / len(batches)), 1)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe["learning_rate"], epochs * len(batches)
    )
    model.compile(keras.optimizers.Adam(rate), CrossEntropyDice())
    begin = time.time()
    history = model.fit(batches, epochs=epochs, verbose=0).history["loss"]
    return {
        "recipe": recipe,
        "parameters": model.count_params(),
        "patients": source.patients,
        "slices": len(source),
        "epochs": epochs,
        "steps": epochs * len(batches),
        "seconds_fit": time.time() - begin,
        "loss": history,
    }


def measure(model, volumes, preprocessing, structures=STRUCTURES):
    """Dice and HD95 of each structure in each volume, at native resolution."""
    rows = []
    for i in range(len(volumes)):
        volume = volumes[i]
        label = keras_condattn.predict_volume(
            model, volume, preprocessing=preprocessing
        )
        scores = volume_scores(
            volume["label"], label, volume["spacing"], classes=1 + len(structures)
        )
        row = {"id": volume["id"], "group": volume.get("group", "")}
        for number, structure in enumerate(structures, 1):
            dice, hd95 = scores[number]["dice"], scores[number]["hd95"]
            # NaN is not JSON: a structure that neither side has counts nowhere.
            known = not math.isnan(dice)
            row[structure] = {
                "dice": dice if known else None,
                "hd95_mm": hd95 if known else None,
            }
        rows.append(row)
    return {"volumes": rows, **summary(rows, structures)}


def summary(rows, structures=STRUCTURES):
    """Means over volumes; a structure that neither side has counts nowhere."""
    found = {}
    for kind in ("dice", "hd95_mm"):
        values = {
            s: [r[s][kind] for r in rows if r[s]["dice"] is not None]
            for s in structures
        }
        means = {s: float(np.mean(v)) for s, v in values.items()}
        found[kind] = {**means, "mean": float(np.mean(list(means.values())))}
    return found


def train(network, share, seed, options):
    """One run, and its weights under outputs/."""
    keras.utils.set_random_seed(seed)
    source = acdc.load(
        options.data, "train", **FRAME, share=SHARES[share], subset_seed=seed,
        augment=True, cache=True,
    )  # fmt: skip
    model = build(network)
    result = fit(model, source, seed, RECIPE, NETWORKS[network] is not None)
    folder = study.OUTPUTS / STUDY
    folder.mkdir(parents=True, exist_ok=True)
    model.save_weights(folder / f"{key(network, share, seed)}.weights.h5")
    for split in ("validation", "test"):
        volumes = acdc.load(options.data, split, volumes=True)
        result[split] = measure(model, volumes, FRAME)
    return {"network": network, "share": share, "seed": seed, **result}


def key(network, share, seed):
    return f"{network}_{share:03d}_seed{seed}"


def readers(options):
    """Two readings of one heart: what a network cannot be asked to exceed."""
    source = acdc.load(options.data, volumes=True)
    found = {source[i]["id"]: source[i] for i in range(len(source))
             if source.scans[i].patient in TWINS}  # fmt: skip
    first, second = TWINS
    return {
        phase: {
            STRUCTURES[number - 1]: scores
            for number, scores in volume_scores(
                found[f"{first}_{phase}"]["label"],
                found[f"{second}_{phase}"]["label"],
                found[f"{first}_{phase}"]["spacing"],
                classes=4,
            ).items()
        }
        for phase in ("ED", "ES")
    }


def readers_table():
    """Markdown of `readers`."""
    found = study.results("acdc_readers")["readers"]
    rows = [
        [phase, *(f"{found[phase][s]['dice']:.3f}, {found[phase][s]['hd95']:.1f} mm"
                  for s in STRUCTURES)]
        for phase in ("ED", "ES")
    ]  # fmt: skip
    return study.markdown(["phase", *STRUCTURES], rows)


def table():
    """Markdown: Dice and HD95 of each structure, a row a network and share."""
    runs = study.results(STUDY).values()
    rows = []
    for share in SHARES:
        for network in NETWORKS:
            of = [r["test"] for r in runs
                  if (r["network"], r["share"]) == (network, share)]  # fmt: skip
            if of:
                cells = [
                    study.mean_sd([r[kind][column] for r in of], digits)
                    for kind, digits in (("dice", 3), ("hd95_mm", 1))
                    for column in ("mean", *STRUCTURES)
                ]
                rows.append([f"{share} %", network, len(of), *cells])
    short = ("mean", "RV", "myocardium", "LV")
    return study.markdown(
        ["patients", "conditioning", "seeds", *(f"Dice {s}" for s in short),
         *(f"HD95 {s}, mm" for s in short)], rows,
    )  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("KERAS_CONDATTN_DATA") or "../shared/data"
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path(default) / "acdc")  # fmt: skip
    return parser


def main():
    parser = arguments()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shares", type=int, nargs="+", default=list(SHARES))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.table:
        study.run_once("acdc_readers", "readers", lambda: readers(options))
        # Seed by seed, so that a study cut short is whole for the seeds it has.
        for seed in options.seeds:
            for share in options.shares:
                for network in options.networks:
                    study.run_once(
                        STUDY, key(network, share, seed),
                        lambda n=network, p=share, s=seed: train(n, p, s, options),
                    )  # fmt: skip
    print(table())


if __name__ == "__main__":
    main()
