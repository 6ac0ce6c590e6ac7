"""The published CrossModalityCAM: gliomas of four patients, from image-level labels.

    python -m benchmarks.cross_modality --data brats15     # what decides and is told
    python -m benchmarks.cross_modality_weights            # train on all four, publish
    python -m benchmarks.cross_modality_weights --publish  # only file and card again

With four patients none can be kept for a test. What the card tells was measured by
the study, where each patient is left out in turn: which maps are read and above which
threshold is what the validation patients of those runs said, over all folds the same
people as those who test. The network itself learns from all four, for as many epochs
as those of the study.
"""

import statistics

import keras
import numpy as np

import keras_condattn
from benchmarks import cross_modality, study
from benchmarks.cross_modality import FRAMES, RECIPE, RUNS, STEPS, TWO
from keras_condattn.datasets import brats
from keras_condattn.losses import CrossModalityLoss
from keras_condattn.weights import WeightsFacts, publish

STUDY = "cross_modality_weights"
NAME, RUN, SEED = "brats", "full", 0
ROW = "+ KL (the full method)"
# Elsewhere in the package "zscore" clips at the 99th percentile first.
NORMALISED = "z-score within the brain, 0 around it, nothing clipped (brats.load)"
READINGS = {"fused": TWO, **{m: (m,) for m in TWO}}


def left_out():
    """reading -> what each run of the study measured with that reading of its maps.

    Of whole seeds, as in the study's tables: each left out all four patients.
    """
    seeds = cross_modality.measured(ROW, "brats15")
    if not seeds:
        raise SystemExit(
            f"no seed of the study has the run {RUN!r} for all four patients: run "
            "python -m benchmarks.cross_modality --data brats15 first"
        )
    runs = [run for folds in seeds.values() for run in folds]
    return {reading: [run[reading] for run in runs] for reading in READINGS}


def chosen():
    """The reading with the best mean validation Dice, and its median threshold."""
    found = left_out()
    best = max(found, key=lambda name: _mean(found[name], "validation_dice"))
    return best, statistics.median(run["threshold"] for run in found[best])


def _mean(runs, what):
    return float(np.mean([run[what] for run in runs]))


def train(options):
    """One run on every patient; its weights under outputs/."""
    keras.utils.set_random_seed(SEED)
    slices = brats.load(options.real, modalities=TWO, cache=True, **FRAMES["brats15"])
    model = cross_modality.build(RECIPE["filters"], SEED)
    # Twice the patients of a run of the study, and as many epochs.
    recipe = RECIPE | {"steps": options.steps or 2 * STEPS["brats15"]}
    loss = CrossModalityLoss(**RUNS[RUN], data_format="channels_last")
    result = cross_modality.fit(model, slices, "label", loss, SEED, recipe)
    weights_file().parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(weights_file())
    return {"run": RUN, "terms": loss.get_config(), "seed": SEED, **result}


def weights_file():
    return study.OUTPUTS / STUDY / f"{NAME}.weights.h5"


def publish_weights():
    """File, card and record from the results."""
    result = study.results(STUDY)[NAME]
    model = cross_modality.build(tuple(result["recipe"]["filters"]), SEED)
    model.load_weights(weights_file())
    reading, threshold = chosen()
    runs = left_out()[reading]
    facts = WeightsFacts(
        architecture="CrossModalityCAM",
        name=NAME,
        dataset=(
            "BraTS 2015, FLAIR and T1 with contrast agent of "
            f"{len(result['patients'])} patients with high-grade glioma, no more "
            f"({result['slices']} axial slices). Of the masks only whether a slice "
            "shows any tumour."
        ),
        metrics=metrics(runs),
        licence=(
            "BraTS 2015's: CC BY-NC-SA 3.0; cite Menze et al., IEEE TMI 34(10), 2015. "
            "The weights may be used under those terms only."
        ),
        config={
            "input_shape": [cross_modality.SIZE, cross_modality.SIZE, 1],
            "modalities": list(TWO), "classes": 2,
            "filters": list(result["recipe"]["filters"]),
        },
        preprocessing={
            **FRAMES["brats15"], "normalise": NORMALISED,
            "maps": list(READINGS[reading]),
            "fusion": "fuse_maps, mean", "threshold": threshold,
            "positive": "the largest of the mean logits of these maps' networks",
        },
        conditioning="",
        protocol=protocol(result, runs),
        source=(
            "Networks and losses after Patel and Dolz, arXiv 2104.02488; training is "
            "ours. No parameter of the authors is in them."
        ),
        command=(
            "python -m benchmarks.cross_modality --data brats15\n"
            "python -m benchmarks.cross_modality_weights"
        ),
        notes=notes(),
    )  # fmt: skip
    # Weights are published from a channels-last build: the files are the same.
    print(publish(model, facts).file)


def metrics(runs):
    """Of each patient when it was left out, mean ± s.d. over seeds."""
    dice, assd = {}, []
    for run in runs:
        for patient in run["patients"]:
            dice.setdefault(patient["id"], []).append(patient["dice"])
            assd.append(patient["assd_mm"])
    return {
        "3-D Dice of the patient left out, mean": round(_mean(runs, "dice"), 3),
        **{f"3-D Dice, {name}": study.mean_sd(dice[name]) for name in sorted(dice)},
        "ASSD in mm, mean": round(float(np.nanmean(assd)), 1),
        "slices classified rightly": round(_mean(runs, "accuracy"), 3),
    }


def protocol(result, runs):
    recipe, terms = result["recipe"], result["terms"]
    weighted = ", ".join(
        f"{terms[name]:g} {name.replace('_', ' ')}"
        for name in ("classification", "equivariance", "cross_modality", "kl")
    )
    return (
        f"Adam {recipe['learning_rate']} with a cosine to 0 over {result['steps']} "
        f"steps of {recipe['batch_size']} slices; loss {weighted} (summed over "
        "pixels); one seed, last iterate. Measured on networks of the same recipe "
        f"that learnt from two of the four patients ({len(runs)} runs, over patients "
        "and seeds): a third one validates and chooses the run's threshold, the fourth "
        "tests. Which maps are read was chosen on the mean over the validation "
        "patients of all runs, who are the same four people as the test patients: "
        "that choice has seen them, and the numbers flatter by as much. This network "
        "learnt from all four, so nothing was measured with it."
    )


def notes():
    every = left_out()
    others = "; ".join(
        f"{name}: {_mean(runs, 'dice'):.3f}" for name, runs in every.items()
    )
    return (
        "Four patients of one collection are far too few to rely on: a demonstration, "
        "not a tool, and not a medical device. Mean 3-D Dice of the patients left out "
        f"by which maps are read: {others}."
    )


def main():
    parser = cross_modality.arguments()
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    keras.config.set_image_data_format("channels_last")
    if options.steps:
        study.into_scratch(STUDY)
    if not options.publish:
        study.run_once(STUDY, NAME, lambda: train(options))
    if not options.steps:
        publish_weights()
        print(keras_condattn.list_weights())


if __name__ == "__main__":
    main()
