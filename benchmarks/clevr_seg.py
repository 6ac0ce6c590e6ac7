"""The CLEVR-Seg study: which conditioning finds the objects of the quadrant asked for?

    python -m benchmarks.clevr_seg                      # render, train, table: 96 px
    python -m benchmarks.clevr_seg --size 200 --scenes 4000 --epochs 100
    python -m benchmarks.clevr_seg --table              # what is measured so far
    python -m benchmarks.publish clevr_seg_96           # weights and cards from it

Four networks, one recipe. Every run is one JSON under benchmarks/results and is not
run again; early stopping and the choice of weights look at the validation split only.
"""

import argparse
import pathlib

import keras

import keras_condattn
from benchmarks import study, training
from keras_condattn.datasets import clevr_seg

STUDY = "clevr_seg_96"
NETWORKS = {"none": None, "film": "film", "guiding": "guiding", "inside": "inside"}
# Not the paper's: windows up to 14 pixels wide, after what the ablation found.
WIDE = {"inside_wide": "inside"}
WIDE_OPTIONS = {"max_sigma": 14.0}
RECIPE = {"learning_rate": 1e-3, "batch_size": 16, "patience": 8}


def sources(root, seed):
    """Train (a fresh pair each epoch), validation and test (the paper's rule)."""
    return {
        split: clevr_seg.load(
            root,
            split=split,
            pairs="fresh" if split == "train" else "fixed",
            seed=seed if split == "train" else 42,
            cache=True,
        )
        for split in ("train", "validation", "test")
    }


def focal_loss():
    """The release's loss: alpha 0.25, gamma 2, summed over pixels and images.

    The sum matters: the penalty on INSIDE's widths is a constant beside it, and
    would outweigh a mean over 9,216 pixels.
    """
    first = keras.config.image_data_format() == "channels_first"
    return keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True,
        alpha=0.25,
        gamma=2.0,
        from_logits=True,
        # Keras takes a mean over this axis before the sum: it must be the channel.
        axis=1 if first else -1,
        reduction="sum",
    )


def shape_of(size):
    first = keras.config.image_data_format() == "channels_first"
    return (3, size, size) if first else (size, size, 3)


def build(network, size):
    return keras_condattn.applications.InsideEncoderDecoder(
        shape_of(size),
        conditioning=(NETWORKS | WIDE)[network],
        conditioning_options=WIDE_OPTIONS if network in WIDE else None,
    )


def folder(options):
    """Where the scenes are, or will be."""
    name = f"clevr_seg_{options.size}_{options.scenes}"
    return options.data or study.ROOT / ".cache" / name


def train(network, seed, options):
    """One run, and its weights under outputs/."""
    keras.utils.set_random_seed(seed)
    data = sources(folder(options), seed)
    model = build(network, options.size)
    batches = training.batches_of(data, network, seed, RECIPE["batch_size"])
    recipe = {**RECIPE, "epochs": options.epochs, "loss": "focal, summed"}
    result = training.fit_and_measure(model, batches, focal_loss(), recipe)
    model.save_weights(weights_file(options, network, seed))
    return {"network": network, "seed": seed, **result}


def weights_file(options, network, seed):
    folder = study.OUTPUTS / name(options)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{network}_seed{seed}.weights.h5"


def name(options):
    return f"clevr_seg_{options.size}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="+", default=[*NETWORKS, *WIDE])
    parser.add_argument("--data", type=pathlib.Path, help="default: .cache/...")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.table:
        clevr_seg.render(folder(options), scenes=options.scenes, size=options.size)
        # Seed by seed, so that a study cut short is whole for the seeds it has.
        for seed in options.seeds:
            for network in options.networks:
                key = f"{network}_seed{seed}"
                study.run_once(
                    name(options), key, lambda n=network, s=seed: train(n, s, options)
                )
    print(study.dice_table(name(options), NETWORKS | WIDE))


if __name__ == "__main__":
    main()
