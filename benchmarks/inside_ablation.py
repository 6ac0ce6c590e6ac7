"""What holds INSIDE back on CLEVR-Seg? One seed, half the epochs, validation only.

    python -m benchmarks.inside_ablation [--table]

Every row changes one thing of the study's INSIDE network; the first two rows are the
study's own INSIDE and GuidingBlock for as many epochs. Nothing here looks at a test
image.
"""

import argparse

import keras

from benchmarks import clevr_seg, study, training
from keras_condattn.applications import InsideEncoderDecoder

STUDY = "inside_ablation"
VARIANTS = {
    "INSIDE as in the study": ("inside", {}),
    "GuidingBlock": ("guiding", {}),
    "no penalty": ("inside", {"penalty": 0.0}),
    "max_sigma 7 px": ("inside", {"max_sigma": 7.0}),
    "max_sigma 14 px": ("inside", {"max_sigma": 14.0}),
    "max_sigma 7 px, super_gaussian": (
        "inside", {"max_sigma": 7.0, "profile": "super_gaussian"},
    ),
    "identity_start, max_sigma 14 px": (
        "inside", {"max_sigma": 14.0, "identity_start": True},
    ),
}  # fmt: skip


def train(variant, options):
    """One run; what it reaches on validation."""
    conditioning, arguments = VARIANTS[variant]
    keras.utils.set_random_seed(0)
    shape = clevr_seg.shape_of(options.size)
    model = InsideEncoderDecoder(
        shape, conditioning=conditioning, conditioning_options=arguments
    )
    data = clevr_seg.sources(clevr_seg.folder(options), 0)
    del data["test"]
    batches = training.batches_of(data, conditioning, 0, clevr_seg.RECIPE["batch_size"])
    recipe = {**clevr_seg.RECIPE, "epochs": options.epochs, "loss": "focal, summed"}
    result = training.fit_and_measure(model, batches, clevr_seg.focal_loss(), recipe)
    return {"variant": variant, "options": arguments, **result}


def table():
    """Markdown, in the order of `VARIANTS`."""
    runs = {run["variant"]: run for run in study.results(STUDY).values()}
    rows = [
        [
            variant,
            f"{runs[variant]['validation']['hard_dice']:.3f}",
            f"{min(runs[variant]['history']['val_loss']):.0f}",
        ]
        for variant in VARIANTS
        if variant in runs
    ]
    return study.markdown(["changed", "validation hard Dice", "focal loss"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    options.size, options.scenes, options.data = 96, 2000, None
    for number, variant in enumerate(VARIANTS):
        if not options.table:
            study.run_once(STUDY, f"{number}", lambda v=variant: train(v, options))
    print(table())


if __name__ == "__main__":
    main()
