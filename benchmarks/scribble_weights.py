"""The published AttenScribbleUNet: ACDC from scribbles, trained longer, varied more.

    python -m benchmarks.scribble_weights --choose    # what the validation patients say
    python -m benchmarks.scribble_weights             # train, measure, publish
    python -m benchmarks.scribble_weights --publish   # only write file and card again

Training takes the train and the validation patients of the study's split, their images
and the scribbles of ACDC's experts. The 16 test patients are those of the study and
decide nothing. Post-processing is what benchmarks.acdc_weights chose on validation
patients.

Networks that learn from strokes give the myocardium what an expert counts as cavity:
strokes of the cavity stay clear of the wall, and papillary muscles look like wall. How
much less to believe in it, one number, and how much more in the cavities, another, is
chosen on the validation patients, with the study's own network, which has not seen
them; it is added to the bias of the last convolution. Dense labels of these 8 patients
had a say in that, in the recipe, the window of K and the post-processing, and in
nothing else.
"""

import dataclasses

import keras
import numpy as np

import keras_condattn
from benchmarks import acdc as hearts
from benchmarks import scribble, study
from benchmarks.acdc_weights import (
    AUGMENTATION,
    PREPROCESSING,
    Joined,
    metrics,
    score_table,
)
from keras_condattn.datasets import acdc
from keras_condattn.weights import WeightsFacts, publish

STUDY = "scribble_weights"
NAME, METHOD, SEED = "acdc_scribble", "log", 0
RECIPE = {**scribble.RECIPE, "steps": 4000}
CAVITIES, WALL = (0.0, 1.0, 2.0), (0.0, -1.0, -2.0)


def train(options):
    """One long run, kept under outputs/, measured on the test patients."""
    keras.utils.set_random_seed(SEED)
    data, recipe = scribble.DATA["acdc"], RECIPE
    changes, volumes = {}, acdc.load(options.data / "acdc", "test", volumes=True)
    if options.quick:
        recipe = scribble.QUICK
        changes = {"spacing": (6.0, 6.0), "size": (32, 32)}
        volumes = [volumes[0]]
    offsets = chosen(options.method)
    source = Joined([
        acdc.load(options.data / "acdc", split, **data.frame | changes, labels=False,
                  scribbles=True, augment=AUGMENTATION, cache=True)
        for split in ("train", "validation")
    ])  # fmt: skip
    model = scribble.build(options.method, data, recipe, **changes)
    result = scribble.fit(model, source, options.method, data.unlabelled, SEED, recipe)
    weights_file().parent.mkdir(parents=True, exist_ok=True)
    as_framed = hearts.measure(model, volumes, hearts.FRAME | changes)
    lean(model, offsets)
    model.save_weights(weights_file())
    result["test"] = hearts.measure(model, volumes, PREPROCESSING | changes)
    return {"augmentation": dataclasses.asdict(AUGMENTATION), "seed": SEED,
            "method": options.method, "offsets": offsets, "as framed": as_framed,
            **result}  # fmt: skip


def lean(model, offsets):
    """Adds to the logits of each class what was chosen."""
    bias = model.get_layer("logits").bias
    bias.assign(keras.ops.convert_to_numpy(bias) + np.array(offsets, "float32"))


def choose(options):
    """Mean Dice on validation patients for each pair of offsets."""
    data = scribble.DATA["acdc"]
    model = scribble.build(options.method, data, scribble.RECIPE)
    name = f"{scribble.key('acdc', options.method, SEED)}.weights.h5"
    model.load_weights(study.OUTPUTS / scribble.STUDY / name)
    volumes = acdc.load(options.data / "acdc", "validation", volumes=True)
    volumes = [volumes[i] for i in range(len(volumes))]
    found = []
    for offsets in ((0.0, c, w, c) for c in CAVITIES for w in WALL):
        lean(model, offsets)
        scores = hearts.measure(model, volumes, PREPROCESSING)
        found.append({
            "offsets": offsets, "dice": scores["dice"], "hd95_mm": scores["hd95_mm"]
        })  # fmt: skip
        lean(model, [-offset for offset in offsets])
    return {"method": options.method, "volumes": len(volumes), "choices": found}


def chosen(method):
    """The offsets with the best mean Dice; none where nothing was asked."""
    found = study.results(STUDY).get(f"{NAME}_choice", {"method": None})
    if found["method"] != method:
        return [0.0] * len(acdc.CLASSES)
    return max(found["choices"], key=lambda row: row["dice"]["mean"])["offsets"]


def weights_file():
    return study.OUTPUTS / STUDY / f"{NAME}.weights.h5"


def publish_weights():
    """File, card and record from the result of the training."""
    result = study.results(STUDY)[NAME]
    data, recipe = scribble.DATA["acdc"], result["recipe"]
    model = scribble.build(result["method"], data, recipe)
    model.load_weights(weights_file())
    facts = WeightsFacts(
        architecture="AttenScribbleUNet",
        name=NAME,
        dataset=(
            "ACDC (Automated Cardiac Diagnosis Challenge), cine MR of "
            f"{len(result['patients'])} patients at end-diastole and end-systole "
            f"({result['slices']} slices), the groups DCM, HCM, MINF, NOR and RV in "
            "equal parts; grey levels clipped per volume at the 99th percentile. Of "
            "labels only the expert scribbles of Valvano et al., about 1 % of the "
            "pixels."
        ),
        metrics=metrics(result),
        licence=(
            "ACDC's: research, non-commercial; cite Bernard et al., IEEE TMI 37(11), "
            "2018, and for the scribbles Valvano et al., IEEE TMI 40(8), 2021. The "
            "weights may be used under those terms only."
        ),
        config={
            "input_shape": [*hearts.FRAME["size"], 1],
            "classes": len(data.classes),
            "attention": scribble.METHODS[result["method"]].attention,
            "similarity": scribble.METHODS[result["method"]].similarity,
            "filters": list(recipe["filters"]),
            "dropout": recipe["dropout"],
            "similarity_radius": result["loss"]["similarity_radius"],
        },
        preprocessing=PREPROCESSING,
        conditioning="",
        protocol=protocol(result),
        source=(
            "Network and losses after AttenScribble, arXiv 2312.06614; training is "
            "ours. No parameter of the authors is in them."
        ),
        command=(
            "python -m benchmarks.scribble --data-sets acdc --methods log --seeds 0\n"
            "python -m benchmarks.scribble_weights --choose\n"
            "python -m benchmarks.scribble_weights"
        ),
        notes=notes(result),
    )
    # Weights are published from a channels-last build: the files are the same.
    print(publish(model, facts).file)


def protocol(result):
    recipe, terms = result["recipe"], scribble.loss_of(result["method"], 4).weights
    weighted = ", ".join(f"{weight:g} {name}" for name, weight in terms.items())
    return (
        f"Adam {recipe['learning_rate']} with a cosine to 0 over {result['steps']} "
        f"steps of {recipe['batch_size']} slices; loss {weighted.replace('_', ' ')}; "
        "one seed, last iterate; "
        f"augmentation {result['augmentation']}. Added to the logits of background, "
        f"right ventricle, myocardium, left ventricle: {result['offsets']}, chosen on "
        "the dense labels of 8 validation patients with a network that had not seen "
        "them; recipe, window of K and post-processing were chosen on the same "
        "patients before. Measured once on 16 patients (32 "
        "volumes) that neither trained nor decided anything, stratified by group, at "
        "native resolution with `predict_volume`; ± is over volumes. HD95 pools both "
        "directions; a structure that was missed counts with the volume's diagonal."
    )


def notes(result):
    curve = result["curves"].get("mean_similarity")
    spread = result["curves"].get("similarity_spread")
    learned = (
        f" K at the end of training: {curve[-1]:.3f} ± {spread[-1]:.3f} over pairs."
        if curve else ""
    )  # fmt: skip
    return (
        "One centre (Dijon), two scanners (1.5 T and 3 T), short-axis slices. Not a "
        "medical device. It takes no condition: at the base, where readers differ in "
        "which slices belong to the ventricles, it can only guess. Mean Dice without "
        f"offsets, moving the frame or keeping the largest piece: "
        f"{result['as framed']['dice']['mean']:.3f}.{learned}"
    )


def table():
    """Markdown: what the published weights reach on the test patients."""
    return score_table(study.results(STUDY)[NAME])


def choice_table():
    """Markdown: the offsets that were tried on the validation patients."""
    rows = [
        [row["offsets"][1], row["offsets"][2], *(
            f"{row['dice'][s]:.3f}" for s in ("mean", *hearts.STRUCTURES)
        ), f"{row['hd95_mm']['mean']:.1f}"]
        for row in study.results(STUDY)[f"{NAME}_choice"]["choices"]
    ]  # fmt: skip
    return study.markdown(
        ["added for the cavities", "for the myocardium",
         *(f"Dice {s}" for s in ("mean", *hearts.STRUCTURES)), "HD95, mm"], rows,
    )  # fmt: skip


def main():
    parser = scribble.arguments()
    parser.add_argument("--method", choices=scribble.METHODS, default=METHOD)
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--choose", action="store_true")
    options = parser.parse_args()
    keras.config.set_image_data_format("channels_last")
    if options.quick:
        study.into_scratch(STUDY)
    if options.choose:
        study.run_once(STUDY, f"{NAME}_choice", lambda: choose(options))
        print(choice_table())
        return
    if not options.publish:
        study.run_once(STUDY, NAME, lambda: train(options))
    if not options.quick:
        publish_weights()
        print(keras_condattn.list_weights())


if __name__ == "__main__":
    main()
