"""The published InsideUNet of ACDC: trained longer, varied more, on more patients.

    python -m benchmarks.acdc_weights             # train, measure, publish
    python -m benchmarks.acdc_weights --choose    # what the validation patients say
    python -m benchmarks.acdc_weights --publish   # only write file and card again

Training takes the train and the validation patients of the study's split; the 16 test
patients are those of the study and decide nothing. Post-processing was chosen with the
study's own INSIDE network, which has not seen the validation patients.
"""

import keras
import numpy as np

import keras_condattn
from benchmarks import acdc as hearts
from benchmarks import study
from keras_condattn.datasets import Augmentation, acdc
from keras_condattn.weights import WeightsFacts, publish

STUDY = "acdc_weights"
NAME = "acdc"
SEED = 0
RECIPE = {**hearts.RECIPE, "steps": 4000}
# Wide, because other scanners and other readers' files are to be met.
AUGMENTATION = Augmentation(
    rotation=30.0, zoom=1.3, shift=16.0, turn=0.25, gamma=1.7, contrast=1.3,
    brightness=0.3, noise=0.15, blur=1.0,
)  # fmt: skip
PREPROCESSING = {**hearts.FRAME, "recentre": 16.0, "largest_component": True}
CHOICES = {
    "as framed": {},
    "recentred": {"recentre": 16.0},
    "largest component": {"largest_component": True},
    "both": {"recentre": 16.0, "largest_component": True},
}
WRONG = ("phase swapped", "base and apex swapped")


class Joined:
    """Several sources of slices as one."""

    def __init__(self, sources):
        self.sources = sources
        self.items = [(s, i) for s in sources for i in range(len(s))]
        self.patients = sorted(p for s in sources for p in s.patients)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        source, i = self.items[index]
        return source[i]

    def set_epoch(self, epoch):
        for source in self.sources:
            source.set_epoch(epoch)


def train(options):
    """One long run, kept under outputs/, measured on the test patients."""
    keras.utils.set_random_seed(SEED)
    source = Joined([
        acdc.load(options.data, split, **hearts.FRAME, augment=AUGMENTATION, cache=True)
        for split in ("train", "validation")
    ])  # fmt: skip
    model = hearts.build("inside")
    result = hearts.fit(model, source, SEED, RECIPE)
    weights_file().parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(weights_file())
    test = acdc.load(options.data, "test", volumes=True)
    result["test"] = hearts.measure(model, test, PREPROCESSING)
    for wrong in WRONG:
        found = hearts.measure(model, Misled(test, wrong), PREPROCESSING)
        result[wrong] = {kind: found[kind] for kind in ("dice", "hd95_mm")}
    return {"augmentation": vars(AUGMENTATION), "seed": SEED, **result}


class Misled:
    """Volumes with a condition that is not theirs."""

    def __init__(self, source, wrong):
        self.source, self.wrong = source, wrong

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        item = self.source[index]
        vector = item["conditioning"]
        if self.wrong == "phase swapped":
            vector = vector[:, [1, 0, 2]]
        else:
            vector = np.concatenate([vector[:, :2], 1 - vector[:, 2:]], 1)
        return item | {"conditioning": vector}


def weights_file():
    return study.OUTPUTS / STUDY / "inside.weights.h5"


def choose(options):
    """Post-processing on the validation patients, with the study's own network."""
    model = hearts.build("inside")
    name = f"{hearts.key('inside', 100, 0)}.weights.h5"
    model.load_weights(study.OUTPUTS / hearts.STUDY / name)
    volumes = acdc.load(options.data, "validation", volumes=True)
    return {
        choice: {
            kind: value
            for kind, value in hearts.measure(
                model, volumes, {**hearts.FRAME, **steps}
            ).items()
            if kind != "volumes"
        }
        for choice, steps in CHOICES.items()
    }


def publish_weights():
    """File, card and record from the result of the training."""
    result = study.results(STUDY)["inside"]
    model = hearts.build("inside")
    model.load_weights(weights_file())
    facts = WeightsFacts(
        architecture="InsideUNet",
        name=NAME,
        dataset=(
            "ACDC (Automated Cardiac Diagnosis Challenge), cine MR of "
            f"{len(result['patients'])} patients at end-diastole and end-systole "
            f"({result['slices']} slices), the groups DCM, HCM, MINF, NOR and RV in "
            "equal parts; grey levels clipped per volume at the 99th percentile."
        ),
        metrics=metrics(result),
        licence=(
            "ACDC's: research, non-commercial; cite Bernard et al., IEEE TMI 37(11), "
            "2018. The weights may be used under those terms only."
        ),
        config={
            "input_shape": [*hearts.FRAME["size"], 1],
            "conditioning_size": 3,
            "classes": 4,
            "conditioning": "inside",
            "conditioning_options": hearts.INSIDE,
        },
        preprocessing=PREPROCESSING,
        conditioning=(
            "3 values a slice: [1, 0] at end-diastole or [0, 1] at end-systole, then "
            "the slice's place, k / (D - 1), 0 at the base and 1 at the apex: what "
            "`datasets.acdc.load` gives. Other phases of the cycle were never seen."
        ),
        protocol=protocol(result),
        source=(
            "Layer after Jacenków et al., INSIDE, MICCAI 2020 (arXiv 2008.10418); "
            "U-Net, conditioning and training are ours. No parameter of the authors "
            "is in them."
        ),
        command="python -m benchmarks.acdc_weights --data ../shared/data/acdc",
        notes=notes(result),
    )
    # Weights are published from a channels-last build: the files are the same.
    print(publish(model, facts).file)


def metrics(result):
    """What the card says was measured: mean ± s.d. over volumes."""
    rows = result["test"]["volumes"]
    found = {}
    for kind, unit, digits in (("dice", "3-D Dice", 3), ("hd95_mm", "HD95 in mm", 1)):
        found[f"{unit}, mean of the three"] = round(
            result["test"][kind]["mean"], digits
        )
        for structure in hearts.STRUCTURES:
            values = [r[structure][kind] for r in rows
                      if r[structure]["dice"] is not None]  # fmt: skip
            found[f"{unit}, {structure}"] = study.mean_sd(values, digits)
    return found | {"test volumes": len(rows)}


def protocol(result):
    recipe = result["recipe"]
    return (
        f"Adam {recipe['learning_rate']} with a cosine to 0 over {result['steps']} "
        f"steps of {recipe['batch_size']} slices, {recipe['loss']}, one seed, last "
        f"iterate; augmentation {result['augmentation']}. Measured once on 16 patients "
        "(32 volumes) that neither trained nor decided anything, stratified by group, "
        "at native resolution with `predict_volume`; ± is over volumes. HD95 pools "
        "both directions; a structure that was missed counts with the volume's "
        "diagonal."
    )


def notes(result):
    wrong = "; ".join(f"{name}: {result[name]['dice']['mean']:.3f}" for name in WRONG)
    return (
        "One centre (Dijon), two scanners (1.5 T and 3 T), short-axis slices from base "
        "to apex. Not a medical device. "
        f"Mean Dice when the condition is wrong: {wrong}; right: "
        f"{result['test']['dice']['mean']:.3f}."
    )


def table():
    """Markdown: what the published weights reach on the test patients."""
    return score_table(study.results(STUDY)["inside"])


def score_table(result):
    """Markdown: Dice and HD95 of each structure, mean ± s.d. over volumes."""
    rows = result["test"]["volumes"]
    cells = [["Dice"], ["HD95, mm"]]
    for line, (kind, digits) in zip(cells, (("dice", 3), ("hd95_mm", 1)), strict=True):
        line.append(f"{result['test'][kind]['mean']:.{digits}f}")
        line += [
            study.mean_sd([r[s][kind] for r in rows if r[s]["dice"] is not None],
                          digits)
            for s in hearts.STRUCTURES
        ]  # fmt: skip
    return study.markdown(["", "mean", *hearts.STRUCTURES], cells)


def choice_table():
    """Markdown: post-processing on the validation patients."""
    found = study.results(STUDY)["postprocessing"]
    rows = [
        [name, *(f"{found[name][kind]['mean']:.{digits}f}"
                 for kind, digits in (("dice", 3), ("hd95_mm", 1)))]
        for name in CHOICES
    ]  # fmt: skip
    return study.markdown(["post-processing", "Dice", "HD95, mm"], rows)


def main():
    parser = hearts.arguments()
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    keras.config.set_image_data_format("channels_last")
    if options.choose:
        print(study.run_once(STUDY, "postprocessing", lambda: choose(options)))
        return
    if not options.publish:
        study.run_once(STUDY, "inside", lambda: train(options))
    publish_weights()
    print(keras_condattn.list_weights())


if __name__ == "__main__":
    main()
