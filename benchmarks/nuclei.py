"""Steering on real micrographs: segment the nuclei of the quadrant asked for.

    python -m benchmarks.nuclei --data ../shared/data/dsb2018
    python -m benchmarks.nuclei --table
    python -m benchmarks.publish nuclei

InsideUNet with INSIDE, with FiLM and without conditioning; one recipe. Early stopping
looks at the validation images; test images are looked at once a run.
"""

import argparse
import os
import pathlib

import keras

import keras_condattn
from benchmarks import pictures, study, training
from keras_condattn.datasets import dsb2018

NETWORKS = {"none": None, "film": "film", "inside": "inside"}
RECIPE = {"learning_rate": 1e-3, "batch_size": 8, "patience": 15, "epochs": 60,
          "loss": "binary cross-entropy, mean"}  # fmt: skip
FRAME = {"crop": 256, "size": 128}
SIZE = (128, 128, 3)
STUDY = "nuclei"
NETWORK = {"condition_at": ["bottleneck"], "filters": 8}
# The loss is a mean over pixels: beside it the penalty would rule the training.
INSIDE = {"penalty": 0.0}


def sources(folder, seed):
    """Train draws a quadrant and a mirroring anew each epoch; others see all pairs."""
    train = {"pairs": "fresh", "augment": True}
    return {
        split: dsb2018.load(
            folder, split, cache=True, **FRAME,
            **({"seed": 42} | (train if split == "train" else {"pairs": "all"})),
        )
        for split in ("train", "validation", "test")
    }  # fmt: skip


def build(network, **kwargs):
    first = keras.config.image_data_format() == "channels_first"
    shape = (SIZE[-1], *SIZE[:-1]) if first else SIZE
    return keras_condattn.applications.InsideUNet(
        shape, 4, 1, NETWORKS[network], **NETWORK,
        conditioning_options=INSIDE if network == "inside" else None, **kwargs,
    )  # fmt: skip


def train(network, seed, options):
    """One run, and its weights under outputs/."""
    keras.utils.set_random_seed(seed)
    model = build(network)
    data = sources(options.data, seed)
    batches = training.batches_of(data, network, seed, RECIPE["batch_size"])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    result = training.fit_and_measure(model, batches, loss, RECIPE)
    model.save_weights(weights_file(network, seed))
    return {"network": network, "seed": seed, **result}


def weights_file(network, seed):
    folder = study.OUTPUTS / STUDY
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{network}_seed{seed}.weights.h5"


def picture(options):
    """The steered network on the first test image: outputs/, never the repository."""
    best = max(
        (r for r in study.results(STUDY).values() if r["network"] == "inside"),
        key=lambda run: run["validation"]["hard_dice"],
    )
    model = build("inside")
    model.load_weights(weights_file("inside", best["seed"]))
    source = dsb2018.load(options.data, "test", pairs="all", **FRAME)
    items = source.steer(0)
    viewer = build("inside", return_attention=True)
    path = study.OUTPUTS / "nuclei.png"
    title = "One micrograph, four conditions: InsideUNet"
    seen = pictures.look(model, viewer, items)
    pictures.steering(path, items, source.conditions, *seen, title)
    print(f"picture  {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("KERAS_CONDATTN_DATA") or "../shared/data"
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path(default) / "dsb2018")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--picture", action="store_true", help="only draw it again")
    options = parser.parse_args()
    if not (options.table or options.picture):
        for seed in options.seeds:
            for network in options.networks:
                key = f"{network}_seed{seed}"
                study.run_once(
                    STUDY, key, lambda n=network, s=seed: train(n, s, options)
                )
    print(study.dice_table(STUDY, NETWORKS))
    if not options.table:
        picture(options)


if __name__ == "__main__":
    main()
