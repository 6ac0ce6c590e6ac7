"""From scribbles to masks: what each term of AttenScribble adds, and what it costs.

    python -m benchmarks.scribble                     # every run that has no result yet
    python -m benchmarks.scribble --data-sets acdc --methods pce full --seeds 0
    python -m benchmarks.scribble --table
    python -m benchmarks.scribble --quick             # tries that everything runs

Six methods, two data sets, three seeds, one recipe with a fixed number of steps and no
choice of weights: the last iterate counts. Every run is one JSON under
benchmarks/results/scribble. A seed sets the weights, the order and the augmentation. On
ACDC, with the scribbles its experts drew, the 16 test patients of benchmarks.acdc are
the same in all runs; on CHAOS's eight T2 cases, with simulated scribbles, seed k tests
fold k of four, so that three seeds test six cases. Scribbles and images alone train
everything but the bound; nothing here was chosen on test patients.
"""

import argparse
import dataclasses
import os
import pathlib
import time

import keras

import keras_condattn
from benchmarks import acdc as hearts
from benchmarks import study
from benchmarks.acdc_weights import Joined
from keras_condattn.datasets import Batches, SimulatedScribbles, acdc, chaos
from keras_condattn.losses import ScribbleLoss

STUDY = "scribble"
# Chosen on ACDC's validation patients. The CRF gains more from many small batches than
# from few large ones.
RECIPE = {"learning_rate": 1.5e-3, "batch_size": 6, "steps": 1000,
          "schedule": "Adam, cosine to 0", "filters": (16, 32, 64, 128, 256),
          "dropout": 0.0}  # fmt: skip
QUICK = {**RECIPE, "batch_size": 2, "steps": 2, "filters": (4, 4, 8)}
# The paper's 0.1 is for grey levels in [0, 1]; a z-scored slice spans about four.
# K's window of 2 in place of 5 cells of four pixels: with 5, smoothing reaches across
# the whole heart, and validation patients lose by it.
LOSS = {"radius": 5, "similarity_radius": 2, "sigma_xy": 6.0, "sigma_image": 0.4}
CRF = {"crf_weight": 0.1}
SIMILAR = CRF | {"similarity_weight": 0.1}
FLOOR = SIMILAR | {"similarity_floor": 0.4}
FOLDS = 4
# Specks far from the heart cost partial cross-entropy most, and are easily removed.
MASKS = {"test": {}, "largest piece": {"largest_component": True}}


@dataclasses.dataclass(frozen=True)
class Method:
    """A row of the table: what it learns from, with which network and terms."""

    title: str
    terms: dict
    attention: bool = False
    dense: bool = False
    similarity: str = "attention"


METHODS = {
    "dense": Method("dense labels (the bound)", {}, dense=True),
    "pce": Method("scribbles: partial cross-entropy", {}),
    "crf": Method("+ gated CRF", CRF),
    "block": Method("+ attention block", CRF, attention=True),
    "full": Method("+ attentive similarity", SIMILAR, attention=True),
    # The remedy, ours: as released K is the same for all pairs (`similarity_table`).
    "log": Method(
        "+ K of log attention, floor under its mean", FLOOR, attention=True,
        similarity="log_attention",
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Data:
    """A data set of the study: its frame, its classes, and how it is loaded."""

    classes: tuple
    frame: dict

    @property
    def unlabelled(self):
        return len(self.classes)


DATA = {
    "acdc": Data(acdc.CLASSES, hearts.FRAME),
    # The whole of a slice of 256 x 256 pixels of 1.25 mm.
    "chaos_t2": Data(
        chaos.CLASSES,
        {"normalise": "zscore", "spacing": (2.5, 2.5), "size": (128, 128)},
    ),
}


def sources(name, seed, options, **changes):
    """Slices to train on, and volumes to test on, of other patients."""
    frame = DATA[name].frame | changes
    if name == "acdc":
        root = options.data / "acdc"
        train = acdc.load(
            root, "train", **frame, scribbles=True, augment=True, cache=True
        )
        return train, acdc.load(root, "test", volumes=True)
    root, split = options.data / "chaos_t2", {"folds": FOLDS, "fold": seed % FOLDS}
    train = Joined([
        chaos.load(root, split=side, **frame, **split, augment=True, cache=True,
                   scribbles=SimulatedScribbles())
        for side in ("train", "validation")
    ])  # fmt: skip
    return train, chaos.load(root, split="test", **split, volumes=True)


def build(method, data, recipe, **changes):
    """The network of a method."""
    size = (data.frame | changes)["size"]
    shape = (1, *size) if hearts.channels_first() else (*size, 1)
    return keras_condattn.applications.AttenScribbleUNet(
        shape, len(data.classes), attention=METHODS[method].attention,
        similarity=METHODS[method].similarity, filters=recipe["filters"],
        dropout=recipe["dropout"], similarity_radius=LOSS["similarity_radius"],
    )  # fmt: skip


def loss_of(method, unlabelled):
    """The terms of a method; dense labels know every pixel."""
    method = METHODS[method]
    none = {"crf_weight": 0.0, "similarity_weight": 0.0}
    return ScribbleLoss(
        ignore_class=None if method.dense else unlabelled,
        **LOSS, **(none | method.terms),
    )  # fmt: skip


def fit(model, source, method, unlabelled, seed, recipe):
    """Trains for the recipe's number of steps; the last iterate counts."""
    batches = Batches(
        source, recipe["batch_size"], "image",
        "label" if METHODS[method].dense else "scribble", shuffle=True, seed=seed,
        drop_last=len(source) >= recipe["batch_size"],
    )  # fmt: skip
    epochs = max(round(recipe["steps"] / len(batches)), 1)
    steps = min(len(batches), recipe["steps"])
    rate = keras.optimizers.schedules.CosineDecay(
        recipe["learning_rate"], epochs * steps
    )
    model.compile(keras.optimizers.Adam(rate), loss_of(method, unlabelled))
    begin = time.time()
    part = None if steps == len(batches) else steps
    curves = model.fit(batches, epochs=epochs, steps_per_epoch=part, verbose=0)
    return {
        "recipe": recipe,
        "loss": LOSS | METHODS[method].terms,
        "parameters": model.count_params(),
        "patients": source.patients,
        "slices": len(source),
        "epochs": epochs,
        "steps": epochs * steps,
        "seconds_fit": time.time() - begin,
        "curves": curves.history,
    }


def train(name, method, seed, options):
    """One run, and its weights under outputs/."""
    keras.utils.set_random_seed(seed)
    data, recipe = DATA[name], QUICK if options.quick else RECIPE
    changes = {"spacing": (6.0, 6.0), "size": (32, 32)} if options.quick else {}
    source, volumes = sources(name, seed, options, **changes)
    model = build(method, data, recipe, **changes)
    result = fit(model, source, method, data.unlabelled, seed, recipe)
    folder = study.OUTPUTS / STUDY
    folder.mkdir(parents=True, exist_ok=True)
    model.save_weights(folder / f"{key(name, method, seed)}.weights.h5")
    if options.quick:
        volumes = [volumes[0]]
    result |= tested(model, volumes, data.frame | changes, data.classes[1:])
    return {"data_set": name, "method": method, "seed": seed, **result}


def tested(model, volumes, frame, structures):
    """Scores of the masks as they are, and of each structure's largest piece alone."""
    return {
        name: hearts.measure(model, volumes, frame | steps, structures)
        for name, steps in MASKS.items()
    }


def key(name, method, seed):
    return f"{name}_{method}_seed{seed}"


def table(name):
    """Markdown: Dice and HD95, a row a method; on the right of largest pieces alone."""
    runs = [r for r in study.results(STUDY).values() if r["data_set"] == name]
    structures, rows = DATA[name].classes[1:], []
    columns = [("test", "dice", column) for column in ("mean", *structures)] + [
        ("test", "hd95_mm", "mean"),
        ("largest piece", "dice", "mean"),
        ("largest piece", "hd95_mm", "mean"),
    ]
    for method in METHODS:
        of = [r for r in runs if r["method"] == method]
        if of:
            cells = [
                study.mean_sd(
                    [r[masks][kind][column] for r in of], 3 if kind == "dice" else 1
                )
                for masks, kind, column in columns
            ]
            rows.append([METHODS[method].title, len(of), *cells])
    return study.markdown(
        ["", "seeds", "Dice", *structures, "HD95, mm", "Dice, largest pieces",
         "HD95, mm"], rows,
    )  # fmt: skip


def similarity_table():
    """Markdown: mean and spread of K over pairs, first epoch and last."""
    rows, curves = [], ("mean_similarity", "similarity_spread")
    for name in DATA:
        for method in METHODS:
            of = [
                run["curves"] for run in study.results(STUDY).values()
                if (run["data_set"], run["method"]) == (name, method)
                and curves[0] in run["curves"]
            ]  # fmt: skip
            if of:
                cells = [
                    study.mean_sd([run[curve][i] for run in of], 4)
                    for curve in curves
                    for i in (0, -1)
                ]
                rows.append([name, METHODS[method].title, len(of), *cells])
    return study.markdown(
        ["data set", "method", "seeds", "mean K, first epoch", "last",
         "spread of K, first epoch", "last"], rows,
    )  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("KERAS_CONDATTN_DATA") or "../shared/data"
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(default))
    parser.add_argument("--quick", action="store_true")
    return parser


def main():
    parser = arguments()
    parser.add_argument("--data-sets", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.quick:
        study.into_scratch(STUDY)
    # Seed by seed, so that a study cut short is whole for the seeds it has.
    for seed in () if options.table else options.seeds:
        for name in options.data_sets:
            for method in options.methods:
                study.run_once(
                    STUDY, key(name, method, seed),
                    lambda n=name, m=method, s=seed: train(n, m, s, options),
                )  # fmt: skip
    for name in DATA:
        print(f"\n{name}\n\n{table(name)}")
    print(f"\n{similarity_table()}")


if __name__ == "__main__":
    main()
