"""Fourteen findings on the radiographs themselves, with ACM and without.

    python -m benchmarks.radiographs
    python -m benchmarks.radiographs --table

The network, the recipe and the starts of benchmarks.nodules, without nodules, on the
few hundred radiographs that there are: a check that everything runs from table to AUC,
and no comparison with what is trained on a hundred thousand. Findings that too few test
images have are left out of the mean. One JSON a run, under
benchmarks/results/radiographs.
"""

import keras
import numpy as np

from benchmarks import nodules, study
from benchmarks._localisation import stacked
from keras_condattn.datasets import chest_xray14
from keras_condattn.metrics import mean_auc

STUDY = "radiographs"
VARIANTS = ("none", "acm")
SEEDS = (0, 1, 2)
# Below, one image more or less moves an AUC by several hundredths.
LEAST = 5


def train(variant, seed, options):
    keras.utils.set_random_seed(seed)
    source = chest_xray14.load(
        options.data, "train", **nodules.FRAME, augment=True, cache=True
    )
    source.seed = seed
    model = nodules.build(variant, classes=len(source.classes))
    nodules.begin_with(model, seed, options)
    recipe = nodules.RECIPE | ({"steps": options.steps} if options.steps else {})
    result = nodules.fit(model, source, seed, recipe)
    test = chest_xray14.load(options.data, "test", **nodules.FRAME)
    items = [test[i] for i in range(len(test))]
    labels = np.stack([item["label"] for item in items])
    scores = model.predict(stacked(items), batch_size=32, verbose=0)
    counts = labels.sum(0).astype(int)
    each = mean_auc(labels, scores, per_class=True)
    findings = {
        name: {"auc": float(auc), "positive": int(count)}
        for name, auc, count in zip(test.classes, each, counts, strict=True)
        if count >= LEAST
    }
    mean = float(np.mean([f["auc"] for f in findings.values()]))
    return {
        "variant": variant, "seed": seed, **result,
        "test": {"images": len(items), "findings": findings, "mean_auc": mean},
    }  # fmt: skip


def table():
    """Markdown: the mean AUC and that of each finding, with its positive images."""
    runs = study.results(STUDY).values()
    tests = {v: [r["test"] for r in runs if r["variant"] == v] for v in VARIANTS}
    tests = {v: of for v, of in tests.items() if of}
    if not tests:
        return ""
    counts = next(iter(tests.values()))[0]["findings"]
    means = [study.mean_sd([t["mean_auc"] for t in of], 2) for of in tests.values()]
    rows = [["mean", "", *means]]
    for name, finding in counts.items():
        each = ([t["findings"][name]["auc"] for t in of] for of in tests.values())
        cells = [study.mean_sd(values, 2) for values in each]
        rows.append([name.replace("_", " "), finding["positive"], *cells])
    return study.markdown(["finding", "positive test images", *tests], rows)


def main():
    parser = nodules.arguments()
    parser.add_argument("--steps", type=int, help="fewer, to try that it runs")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.steps:
        study.into_scratch(STUDY)
    for seed in () if options.table else SEEDS:
        for variant in VARIANTS:
            study.run_once(
                STUDY, f"{variant}_seed{seed}",
                lambda v=variant, s=seed: train(v, s, options),
            )  # fmt: skip
    print(table())


if __name__ == "__main__":
    main()
