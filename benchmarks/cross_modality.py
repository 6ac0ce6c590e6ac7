"""Masks from image-level labels: does it help that two modalities must agree?

    python -m benchmarks.cross_modality             # every run that has no result yet
    python -m benchmarks.cross_modality --data phantoms --seeds 0 --runs cam full
    python -m benchmarks.cross_modality --table
    python -m benchmarks.cross_modality --steps 3   # tries everything, keeps nothing

One network a modality, one recipe, a fixed number of steps: the last iterate counts.
The terms are added one after another, so that neighbouring rows show what each is
worth; Grad-CAM and Grad-CAM++ are other readings of the network that plain CAM reads.
On drawn brains a seed sets the weights, the order and the views; the patients that test
are the same. On real ones each patient is left out in turn and another one validates;
"transfer" reads the networks of the drawn brains on these same patients, of whom they
have learnt nothing, and "tuned" lets them learn from two of these first. A threshold is
chosen for each row on validation patients alone. Every run is one JSON under
benchmarks/results/cross_modality.
"""

import argparse
import os
import pathlib
import shutil
import time

import keras
import numpy as np

import keras_condattn
from benchmarks import study
from benchmarks._map_scores import measure, pixel_readings, readings
from benchmarks.acdc import CrossEntropyDice
from keras_condattn.datasets import Batches, brats
from keras_condattn.losses import CrossModalityLoss

STUDY = "cross_modality"
TWO = ("flair", "t1ce")
SIZE, SPACING = 64, 3.0  # real heads are up to 176 mm long
PHANTOMS = {"patients": 64, "size": (SIZE, SIZE), "spacing": (5.0, SPACING, SPACING),
            "seed": 0}  # fmt: skip
REAL = {"normalise": "zscore", "spacing": SPACING, "size": SIZE}
FRAMES = {"phantoms": {"normalise": "zscore"},
          **dict.fromkeys(("brats15", "transfer", "tuned"), REAL)}  # fmt: skip
FOLDS = {data: [0] if data == "phantoms" else [0, 1, 2, 3] for data in FRAMES}
STEPS = {"phantoms": 1000, "brats15": 400, "tuned": 200}
# One pooling: with the three of the release ("deep") a pixel's evidence is about 98
# pixels around it, more than there are here, and maps light up the whole brain.
DEEP = (8, 16, 32, 32)
RECIPE = {"learning_rate": 3e-3, "batch_size": 8, "filters": (8, 16),
          "optimizer": "Adam", "schedule": "cosine to 0"}  # fmt: skip
NONE = {"equivariance": 0.0, "cross_modality": 0.0, "kl": 0.0}
# With the mean over pixels the cross-modality term is next to nothing, so it is summed;
# with the weight of 1 that the mean has, it then outweighs the labels ("strong").
SUMMED = {"pixels": "sum", "cross_modality": 0.1}
RUNS = {
    "cam": NONE,
    "within": {"cross_modality": 0.0, "kl": 0.0},
    "cross": {"kl": 0.0, **SUMMED},
    "full": SUMMED,
    "released": {"pixels": "mean"},
    "strong": {"pixels": "sum"},
    "deep_cam": NONE,
    "deep_full": SUMMED,
    "supervised": None,
}
# What only some data are run with.
EXTRA = ("released", "strong", "deep_cam", "deep_full")
TUNED = {"run": "full", "learning_rate": 5e-4}
# Row of the table -> run, and how its maps are read.
ROWS = {
    "CAM": ("cam", "cam"),
    "Grad-CAM": ("cam", "grad_cam"),
    "Grad-CAM++": ("cam", "grad_cam_plus_plus"),
    "CAM + within-modality": ("within", "cam"),
    "+ cross-modality": ("cross", "cam"),
    "+ KL (the full method)": ("full", "cam"),
    "the full method, pixel means as released": ("released", "cam"),
    "the full method, cross-modality weighs 1": ("strong", "cam"),
    "CAM, three poolings": ("deep_cam", "cam"),
    "the full method, three poolings": ("deep_full", "cam"),
    "fully supervised": ("supervised", "cam"),
}
# Run -> its name, where the maps are read as they are.
TITLES = {run: row for row, (run, method) in ROWS.items() if method == "cam"}


def build(filters, seed):
    return keras_condattn.applications.CrossModalityCAM(
        (SIZE, SIZE, 1), TWO, filters=filters, seed=seed, data_format="channels_last"
    )


def supervised(model):
    """The same networks, whose mean map is the logit of each pixel's class."""
    maps = [model.output[m]["class_activation_map"] for m in TWO]
    return keras.Model(model.input, keras.layers.Average(name="mask")(maps))


def source(options, data, split, fold, volumes=False):
    root = options.real
    if data == "phantoms":
        root = study.OUTPUTS / STUDY / f"phantoms_{PHANTOMS['patients']}_{SIZE}"
        if not root.exists():
            part = root.with_name("part")
            shutil.rmtree(part, ignore_errors=True)  # of a study cut short
            brats.write_phantoms(part, **PHANTOMS).rename(root)
    return brats.load(
        root, split, modalities=TWO, volumes=volumes, cache=True, fold=fold,
        protocol="folds" if data == "phantoms" else "leave_one_out", **FRAMES[data],
    )  # fmt: skip


def fit(model, slices, target, loss, seed, recipe):
    batches = Batches(
        slices, recipe["batch_size"], TWO, target, shuffle=True, seed=seed,
        data_format="channels_last",
    )  # fmt: skip
    each = min(len(batches), recipe["steps"])
    epochs = max(round(recipe["steps"] / each), 1)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe["learning_rate"], epochs * each
    )
    model.compile(keras.optimizers.Adam(rate), loss)
    begin = time.time()
    history = model.fit(
        batches, epochs=epochs, steps_per_epoch=each, verbose=0
    ).history  # fmt: skip
    return {
        "recipe": recipe, "parameters": model.count_params(), "epochs": epochs,
        "patients": slices.patients, "slices": len(slices), "steps": epochs * each,
        "seconds_fit": time.time() - begin, "history": history,
    }  # fmt: skip


def train(options, data, run, fold, seed):
    """One run, and its weights under outputs/."""
    keras.utils.set_random_seed(seed)
    filters = DEEP if run.startswith("deep") else RECIPE["filters"]
    sides = {
        split: [items[i] for i in range(len(items))]
        for split in ("validation", "test")
        for items in [source(options, data, split, fold, volumes=True)]
    }
    model = build(filters, seed)
    pixels = supervised(model) if run == "supervised" else None
    if data in ("transfer", "tuned"):
        model.load_weights(drawn_weights(options, run, seed))
    if data == "transfer":
        result = {"parameters": model.count_params(), "patients": []}
    else:
        recipe = RECIPE | {"filters": filters, "steps": options.steps or STEPS[data]}
        if data == "tuned":
            recipe["learning_rate"] = TUNED["learning_rate"]
        slices = source(options, data, "train", fold)
        if pixels:
            result = fit(pixels, slices, "mask", CrossEntropyDice(2), seed, recipe)
        else:
            loss = CrossModalityLoss(**RUNS[run], data_format="channels_last")
            result = fit(model, slices, "label", loss, seed, recipe)
        model.save_weights(weights_file(options, data, run, fold, seed))
    if pixels:
        reads = {"cam": lambda items: pixel_readings(pixels, items, TWO)}
    else:
        methods = [method for of, method in ROWS.values() if of == run]
        reads = {
            method: lambda items, method=method: readings(model, items, TWO, method)
            for method in methods
        }
    tests = {
        method: measure(sides["validation"], sides["test"], read)
        for method, read in reads.items()
    }
    return {"data": data, "run": run, "fold": fold, "seed": seed,
            "terms": RUNS[run], **result, "test": tests}  # fmt: skip


def weights_file(options, *of):
    folder = study.OUTPUTS / STUDY
    if options.steps:
        folder /= f"trial_{options.steps}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{key(*of)}.weights.h5"


def drawn_weights(options, run, seed):
    """Of the run on drawn brains, which is done again where they are gone."""
    file = weights_file(options, "phantoms", run, 0, seed)
    if not file.exists():
        train(options, "phantoms", run, 0, seed)
    return file


def key(data, run, fold, seed):
    return f"{data}_{run}_fold{fold}_seed{seed}"


def measured(row, data):
    """seed -> what each fold measured for a row of the table.

    Only of seeds that have every fold: means over different patients do not compare.
    """
    run, method = ROWS[row]
    found = {}
    for result in study.results(STUDY).values():
        if (result["run"], result["data"]) == (run, data):
            tests = found.setdefault(result["seed"], [])
            tests.append(result["test"][method])
    return {seed: t for seed, t in found.items() if len(t) == len(FOLDS[data])}


def table(data="phantoms"):
    """Markdown: a row a method; mean and standard deviation over seeds.

    Of real patients the mean over those left out in turn is one number a seed.
    """
    rows = []
    titles = [(row, row, data) for row in ROWS]
    if data == "transfer":
        row = TITLES[TUNED["run"]]
        at = [title for title, *_ in titles].index(row) + 1
        titles.insert(at, ("then learning from two patients", row, "tuned"))
    for title, row, of in titles:
        seeds = measured(row, of)
        if not seeds:
            continue

        def column(part, kind, digits=3, seeds=seeds):
            known = [t for t in seeds.values() if all(part in test for test in t)]
            values = [np.mean([test[part][kind] for test in t]) for t in known]
            return study.mean_sd(values, digits) if values else "–"

        accuracy = "–" if row == "fully supervised" else column("fused", "accuracy")
        rows.append([
            title, column("fused", "dice"), column("fused", "assd_mm", 1), accuracy,
            *(column(m, "dice") for m in TWO), len(seeds),
        ])  # fmt: skip
    header = ["maps", "3-D Dice", "ASSD, mm", "slices classified rightly",
              *(f"Dice of {m} alone" for m in TWO), "seeds"]  # fmt: skip
    return study.markdown(header, rows)


def patients_table(data="brats15"):
    """Markdown: 3-D Dice of each real patient when it is left out."""
    rows, ids = [], []
    for row in ROWS:
        scores = {}
        for tests in measured(row, data).values():
            for patient in (p for test in tests for p in test["fused"]["patients"]):
                scores.setdefault(patient["id"], []).append(patient["dice"])
        if scores:
            ids = sorted(scores)
            rows.append([row, *(study.mean_sd(scores[name]) for name in ids)])
    return study.markdown(["maps", *ids], rows)


def add_real(parser):
    """The folder of the four patients."""
    default = os.environ.get("KERAS_CONDATTN_DATA") or "../shared/data"
    parser.add_argument("--real", type=pathlib.Path,
                        default=pathlib.Path(default) / "brats15")  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_real(parser)
    parser.add_argument("--data", nargs="+", default=list(FRAMES), choices=FRAMES)
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=RUNS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--table", action="store_true")
    return parser


def plan(options):
    """The runs, seed by seed, so that a study cut short is whole for some seeds."""
    for seed in options.seeds:
        for data in options.data:
            for fold in FOLDS[data]:
                for run in options.runs:
                    tuned = data != "tuned" or run == TUNED["run"]
                    if tuned and (data == "phantoms" or run not in EXTRA):
                        yield data, run, fold, seed


def main():
    options = arguments().parse_args()
    keras.config.set_image_data_format("channels_last")
    if options.steps:
        study.RESULTS = study.OUTPUTS / STUDY / f"trial_{options.steps}"
    for of in [] if options.table else plan(options):
        study.run_once(STUDY, key(*of), lambda of=of: train(options, *of))
    real = ("brats15", "transfer")
    print(table(), *map(table, real), *map(patients_table, real), sep="\n\n")


if __name__ == "__main__":
    main()
