"""Attend and compare: who finds simulated nodules in real radiographs, and where?

    python -m benchmarks.nodules                  # every run that has no result yet
    python -m benchmarks.nodules --seeds 0 --only none acm
    python -m benchmarks.nodules --measure        # again, the weights that are there
    python -m benchmarks.nodules --table

One ResNet, one recipe, one place for every module: attention after the last
normalisation of each block of stages 2 to 4. As the paper's networks start from
ImageNet's parameters, these start from those of a network without attention that has
learned to find nodules which are easy to see, one such start a seed; the attention is
fresh. (From scratch learning begins late, and how late hangs on the draw of the initial
values more than on the attention.) A fixed number of steps, no choice of weights.
Training images get nodules drawn anew each epoch; every test image is drawn into
several times, the same way for all networks. A seed sets the weights, the order, the
nodules of training and the augmentation. Size, steps, depth and nodules were chosen on
validation images, so that the network without attention learns and is not perfect. One
JSON a run, under benchmarks/results/nodules.
"""

import argparse
import dataclasses
import os
import pathlib
import time

import keras

import keras_condattn
from benchmarks import study
from benchmarks._localisation import Drawn, measure
from keras_condattn.datasets import Batches, chest_xray14
from keras_condattn.datasets.nodules import Nodules

STUDY = "nodules"
SIZE = 192
FRAME = {"size": SIZE, "normalise": "imagenet"}
NODULES = Nodules(share=0.5, most=3, diameter=(0.05, 0.11), contrast=(0.2, 0.7))
RECIPE = {"steps": 600, "batch_size": 16, "learning_rate": 1e-3,
          "schedule": "cosine to 0", "loss": "binary cross-entropy"}  # fmt: skip
# What every network starts from.
START = "start"
START_NODULES = dataclasses.replace(NODULES, contrast=(0.8, 1.6))
START_RECIPE = RECIPE | {"steps": 800}
# Maps of 12 x 12: at a stride of 32 a nodule would be a third of a map pixel wide.
NETWORK = {"blocks": (1, 1, 1, 1), "width": 0.25, "output_stride": 16,
           "attention_at": ("layer2", "layer3", "layer4")}  # fmt: skip
# Of 32 groups, a quarter: as many channels a group as in the paper's network.
ACM = {"groups": 8}
# Each image that measures is drawn into so often.
DRAWINGS = {"validation": 6, "test": 6}

# Attention and its options; some with seed 0 alone.
VARIANTS = {
    "none": (None, None),
    "se": ("se", None),
    "nl": ("nl", None),
    "cc": ("cc", None),
    "acm": ("acm", ACM),
    "X+(K-Q)": ("acm", ACM | {"formula": "X+(K-Q)"}),
    "PX": ("acm", ACM | {"formula": "PX"}),
    "P(X+K)": ("acm", ACM | {"formula": "P(X+K)"}),
    "1 group": ("acm", {"groups": 1}),
    "4 groups": ("acm", {"groups": 4}),
    "32 groups": ("acm", {"groups": 32}),
    "lambda 0": ("acm", ACM | {"orthogonality_weight": 0.0}),
    "lambda 0.01": ("acm", ACM | {"orthogonality_weight": 0.01}),
    "lambda 1": ("acm", ACM | {"orthogonality_weight": 1.0}),
    "sum over modules": ("acm", ACM | {"orthogonality": "output"}),
    START: (None, None),
}
# 32 groups, the paper's number, joined when seed 0 had shown on validation images that
# more groups are better.
EVERY_SEED = (START, *tuple(VARIANTS)[:8], "32 groups")


def load(root, split, seed=0, nodules=NODULES):
    """The source of a split; the division of the patients is the same for all seeds."""
    if split == "train":
        source = chest_xray14.load(
            root, split, **FRAME, augment=True, cache=True,
            nodules=dataclasses.replace(nodules, fresh=True),
        )  # fmt: skip
        source.seed = seed
        return source
    source = chest_xray14.load(root, split, **FRAME, nodules=NODULES, cache=True)
    return Drawn(source, DRAWINGS[split])


def build(variant, maps=False, classes=1):
    attention, options = VARIANTS[variant]
    shape = (SIZE, SIZE, 1)
    if keras.config.image_data_format() == "channels_first":
        shape = (1, SIZE, SIZE)
    return keras_condattn.models.attention_resnet(
        shape, classes, attention=attention, attention_options=options,
        return_class_maps=maps, **NETWORK,
    )  # fmt: skip


def fit(model, source, seed, recipe):
    """Trains for the recipe's number of steps; the last iterate counts."""
    batches = Batches(source, recipe["batch_size"], "image", shuffle=True, seed=seed)
    epochs = max(round(recipe["steps"] / len(batches)), 1)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe["learning_rate"], epochs * len(batches)
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    begin = time.time()
    history = model.fit(batches, epochs=epochs, verbose=0).history["loss"]
    return {
        "recipe": recipe,
        "parameters": model.count_params(),
        "images": len(source),
        "epochs": epochs,
        "steps": epochs * len(batches),
        "seconds_fit": time.time() - begin,
        "loss": history,
    }


def measured(variant, model, options):
    """What a trained network reaches on validation and test images."""
    localiser = build(variant, maps=True)
    # Weights of the network without maps: the same, in the same order.
    localiser.set_weights(model.get_weights())
    validation = measure(localiser, load(options.data, "validation"), SIZE)
    shift = validation["peak_shift_px"]
    test = measure(localiser, load(options.data, "test"), SIZE, shift)
    return {"validation": validation, "test": test}


def train(variant, seed, options):
    """One run, and its weights under outputs/."""
    keras.utils.set_random_seed(seed)
    model, recipe, nodules = build(variant), START_RECIPE, START_NODULES
    if variant != START:
        begin_with(model, seed, options)
        recipe, nodules = RECIPE, NODULES
    recipe = recipe | ({"steps": options.steps} if options.steps else {})
    source = load(options.data, "train", seed, nodules)
    result = fit(model, source, seed, recipe)
    weights_file(variant, seed).parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(weights_file(variant, seed))
    result |= measured(variant, model, options)
    return {"variant": variant, "seed": seed, **result}


def trained(variant, seed):
    """The network of a finished run."""
    model = build(variant)
    model.load_weights(weights_file(variant, seed))
    return model


def begin_with(model, seed, options):
    """Takes over the start of a seed, layer by layer; other heads stay fresh."""
    if not weights_file(START, seed).exists():
        train(START, seed, options)
    for layer in trained(START, seed).layers:
        own = model.get_layer(layer.name)
        if [w.shape for w in own.weights] == [w.shape for w in layer.weights]:
            own.set_weights(layer.get_weights())


def measure_again(options):
    """Measures every finished run whose weights are there."""
    for name, result in study.results(STUDY).items():
        variant, seed = result["variant"], result["seed"]
        if weights_file(variant, seed).exists():
            result |= measured(variant, trained(variant, seed), options)
            study.write_json(study.RESULTS / STUDY / f"{name}.json", result)


def key(variant, seed):
    plain = "".join(c if c.isalnum() else "_" for c in variant)
    return f"{plain}_seed{seed}"


def weights_file(variant, seed):
    return study.OUTPUTS / STUDY / f"{key(variant, seed)}.weights.h5"


def table():
    """Markdown: AUC and JAFROC of each variant."""
    runs = study.results(STUDY).values()
    rows = []
    for variant in VARIANTS:
        of = [r for r in runs if r["variant"] == variant]
        if of:
            rows.append([
                "(what all start from)" if variant == START else variant,
                *(study.mean_sd([r["test"][kind] for r in of])
                  for kind in ("auc", "jafroc", "jafroc_shifted")),
                study.mean_sd([r["test"]["peak_off_px"] for r in of], 0),
                len(of),
                f"{of[0]['parameters']:,}",
            ])  # fmt: skip
    header = ["attention", "AUC", "JAFROC", "JAFROC, shift taken off",
              "peak off, px", "seeds", "parameters"]  # fmt: skip
    return study.markdown(header, rows)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("KERAS_CONDATTN_DATA") or "../shared/data"
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path(default) / "chest_xray14")  # fmt: skip
    return parser


def main():
    parser = arguments()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS),
                        default=[v for v in VARIANTS if v != START])  # fmt: skip
    parser.add_argument("--steps", type=int, help="fewer, to try that it runs")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.measure:
        measure_again(options)
    if options.steps:
        study.into_scratch(STUDY)
    for seed in () if options.table or options.measure else options.seeds:
        for variant in (START, *options.only):
            if seed == 0 or variant in EVERY_SEED:
                study.run_once(
                    STUDY, key(variant, seed),
                    lambda v=variant, s=seed: train(v, s, options),
                )  # fmt: skip
    print(table())


if __name__ == "__main__":
    main()
