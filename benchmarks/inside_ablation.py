"""What holds INSIDE back on CLEVR-Seg? One seed, few epochs, validation only.

    python -m benchmarks.inside_ablation [--table]

Every row changes one thing of the study's INSIDE network; the first two rows are the
study's own INSIDE and GuidingBlock after as many epochs. Nothing here looks at a test
image.
"""

import argparse

import keras

from benchmarks import clevr_seg, study, training
from keras_condattn.applications import InsideEncoderDecoder

STUDY = "inside_ablation"
VARIANTS = {
    "no penalty": {"penalty": 0.0},
    "max_sigma 14 px": {"max_sigma": 14.0},
    "max_sigma 7 px, super_gaussian": {"max_sigma": 7.0, "profile": "super_gaussian"},
    "max_sigma 14 px, identity_start": {"max_sigma": 14.0, "identity_start": True},
}
# Rows to compare with: the study's own runs of the same seed, as far as that epoch.
STUDIED = {"INSIDE as in the study": "inside_seed0", "GuidingBlock": "guiding_seed0"}


def train(variant, options):
    """One run; what it reaches on validation."""
    arguments = VARIANTS[variant]
    keras.utils.set_random_seed(0)
    shape = clevr_seg.shape_of(options.size)
    model = InsideEncoderDecoder(shape, conditioning_options=arguments)
    data = clevr_seg.sources(clevr_seg.folder(options), 0)
    del data["test"]
    batches = training.batches_of(data, "inside", 0, clevr_seg.RECIPE["batch_size"])
    recipe = {**clevr_seg.RECIPE, "epochs": options.epochs, "loss": "focal, summed"}
    result = training.fit_and_measure(model, batches, clevr_seg.focal_loss(), recipe)
    return {"variant": variant, "options": arguments, **result}


def lowest():
    """The epochs, and for each row the lowest validation loss within them."""
    runs = study.results(STUDY).values()
    epochs = min((run["recipe"]["epochs"] for run in runs), default=0)
    studied = study.results(clevr_seg.STUDY)
    losses = {
        name: studied[key]["history"]["val_loss"][:epochs]
        for name, key in STUDIED.items()
        if key in studied
    }
    losses |= {run["variant"]: run["history"]["val_loss"] for run in runs}
    return epochs, {name: min(values) for name, values in losses.items() if values}


def table():
    """Markdown of `lowest`."""
    epochs, losses = lowest()
    rows = [[name, f"{loss:.0f}"] for name, loss in losses.items()]
    return study.markdown(["changed", f"focal loss, {epochs} epochs"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    options.size, options.scenes, options.data = 96, 2000, None
    for number, variant in enumerate(VARIANTS):
        if not options.table:
            study.run_once(STUDY, f"{number}", lambda v=variant: train(v, options))
    print(table())


if __name__ == "__main__":
    main()
