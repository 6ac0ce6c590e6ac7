"""Publishes the weights of finished studies, with cards made of their results.

    python -m benchmarks.publish clevr_seg_96 nuclei

Of each network's seeds, the one with the best *validation* Dice is published; its card
gives its own test score beside the mean and spread over all seeds.
"""

import argparse

import keras

from benchmarks import clevr_seg, inside_ablation, nuclei, study
from keras_condattn.weights import WeightsFacts, publish

PAPER = (
    "Architecture and experiment after Jacenków et al., INSIDE, MICCAI 2020 (arXiv "
    "2008.10418). The weights are ours; no parameter of the authors is in them."
)
CLEVR = {
    "dataset": (
        "CLEVR-Seg, our own scenes: 2,000 images of 96x96 pixels rendered by "
        "`keras_condattn.datasets.clevr_seg.render(scenes=2000, size=96, seed=42)`; "
        "1,440 for training, 160 for validation, 400 for test. Not the authors' images."
    ),
    "licence": "Apache-2.0",
    "preprocessing": {"image": "RGB / 255", "size": "96x96"},
    "source": PAPER,
}
QUADRANT = (
    "One-hot, 4 values: top_left, top_right, bottom_right, bottom_left: the quadrant "
    "that is asked for. What lies across a border belongs to its centre's quadrant."
)
NUCLEI = {
    "dataset": (
        "2018 Data Science Bowl, 267 images of shared data (BBBC038v1, CC0): 187 for "
        "training, 27 for validation, 53 for test, by image."
    ),
    "licence": "Apache-2.0 (data CC0)",
    "preprocessing": {
        "image": "RGB (grey repeated), per image clip((x - p1) / (p99.8 - p1), 0, 1)",
        "crop": "centre 256x256",
        "resize": "128x128, bilinear with antialiasing",
    },
    "source": PAPER,
}
NAMES = {
    "none": "no conditioning",
    "film": "FiLM",
    "guiding": "GuidingBlock",
    "inside": "INSIDE",
    "inside_wide": "INSIDE with windows up to 14 pixels",
}


def chosen(runs):
    """The run whose weights are published: best on validation."""
    return max(runs, key=lambda run: run["validation"]["hard_dice"])


def metrics(runs, best):
    """What a card says was measured."""
    seeds = f"mean ± s.d. of {len(runs)} seed(s)"
    rows = {}
    for kind in ("hard", "soft"):
        key = f"{kind}_dice"
        rows[f"{kind} Dice, test, these weights"] = round(best["test"][key], 4)
        rows[f"{kind} Dice, test, {seeds}"] = study.mean_sd(
            [run["test"][key] for run in runs]
        )
    rows["test images"] = best["test"]["images"]
    return rows


def protocol(best):
    recipe = best["recipe"]
    return (
        f"Adam {recipe['learning_rate']}, batches of {recipe['batch_size']}, loss "
        f"{recipe['loss']}, at most {recipe['epochs']} epochs, stopped after "
        f"{recipe['patience']} without a better validation loss (best: epoch "
        f"{best['best_epoch']}); a condition drawn anew for every training image and "
        f"epoch. Seed {best['seed']}, the best of its seeds on validation; the test "
        "images were looked at after every choice."
    )


def publish_clevr_seg(size=96):
    """Every network of the CLEVR-Seg study."""
    name = f"clevr_seg_{size}"
    options = argparse.Namespace(size=size)
    for network, conditioning in (clevr_seg.NETWORKS | clevr_seg.WIDE).items():
        runs = [r for r in study.results(name).values() if r["network"] == network]
        if not runs:
            continue
        best = chosen(runs)
        model = clevr_seg.build(network, size)
        model.load_weights(clevr_seg.weights_file(options, network, best["seed"]))
        facts = WeightsFacts(
            architecture="InsideEncoderDecoder",
            name=f"clevr_seg_{network}",
            metrics=metrics(runs, best),
            config=config_of(network, conditioning, size),
            conditioning="" if conditioning is None else QUADRANT,
            protocol=protocol(best),
            command=f"python -m benchmarks.clevr_seg --size {size}\n"
                    f"python -m benchmarks.publish {name}",
            notes=clevr_notes(network, study.results(name)),
            **CLEVR,
        )  # fmt: skip
        print(publish(model, facts).file)


def config_of(network, conditioning, size):
    """The factory's arguments of a CLEVR-Seg network."""
    config = {
        "input_shape": [size, size, 3],
        "conditioning_size": 4,
        "conditioning": conditioning,
        "classes": 1,
    }
    if network in clevr_seg.WIDE:
        config["conditioning_options"] = clevr_seg.WIDE_OPTIONS
    return config


def clevr_notes(network, results):
    """How this network stands beside the others, in the study's own numbers."""
    means = {}
    for other, label in NAMES.items():
        runs = [r for r in results.values() if r["network"] == other]
        if runs:
            means[label] = study.mean_sd([r["test"]["hard_dice"] for r in runs])
    limit = why_inside_trails() if network == "inside" else ""
    listed = "; ".join(f"{label} {mean}" for label, mean in means.items())
    return (
        f"Hard Dice of the four networks under one recipe: {listed}. This one: "
        f"{NAMES[network]}. {limit}The widths' penalty is the default (1e-3), beside a "
        "loss summed over pixels. Works at 96x96 on scenes of this renderer; "
        "other sizes and other images were not tried."
    )


def why_inside_trails():
    """What the ablation found, in its own numbers."""
    epochs, loss = inside_ablation.lowest()
    return (
        "GuidingBlock is ahead; what holds INSIDE back is the cap on its widths. "
        f"Validation focal loss after {epochs} epochs, seed 0: INSIDE as here "
        f"{loss['INSIDE as in the study']:.0f}, with max_sigma 14 in place of 3.5 "
        f"pixels {loss['max_sigma 14 px']:.0f}, GuidingBlock "
        f"{loss['GuidingBlock']:.0f}; without the penalty {loss['no penalty']:.0f}. "
    )


def publish_nuclei():
    """The steered U-Net of the nuclei study."""
    results = study.results(nuclei.STUDY).values()
    runs = [run for run in results if run["network"] == "inside"]
    best = chosen(runs)
    model = nuclei.build("inside")
    model.load_weights(nuclei.weights_file("inside", best["seed"]))
    facts = WeightsFacts(
        architecture="InsideUNet",
        name="dsb2018",
        metrics=metrics(runs, best),
        config={"input_shape": list(nuclei.SIZE), "conditioning_size": 4, "classes": 1,
                **nuclei.NETWORK, "conditioning": "inside",
                "conditioning_options": nuclei.INSIDE},
        conditioning=QUADRANT,
        protocol=protocol(best),
        command="python -m benchmarks.nuclei --data ../shared/data/dsb2018\n"
                "python -m benchmarks.publish nuclei",
        notes="Which images come from one slide is not published, so the split is by "
              "image and the test score may be flattered.",
        **NUCLEI,
    )  # fmt: skip
    print(publish(model, facts).file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("studies", nargs="+", choices=["clevr_seg_96", "nuclei"])
    # Weights are published from a channels-last build: the files are the same.
    keras.config.set_image_data_format("channels_last")
    for name in parser.parse_args().studies:
        {"clevr_seg_96": publish_clevr_seg, "nuclei": publish_nuclei}[name]()


if __name__ == "__main__":
    main()
