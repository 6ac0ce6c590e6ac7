"""What the README says of every study, in two tables; the rest is in RESULTS.md."""

import dataclasses

from benchmarks import (
    acdc,
    acdc_weights,
    clevr_seg,
    cross_modality,
    cross_modality_weights,
    nodules,
    scribble,
    scribble_speed,
    scribble_weights,
    speed,
    study,
)


@dataclasses.dataclass(frozen=True)
class Headline:
    """A row: a method, the same network without it, and a third beside the two."""

    idea: str
    on: str
    score: str
    study: str
    at: tuple
    ours: dict
    without: tuple
    beside: tuple
    shipped: tuple = ()  # name of the weights, study, key and place of their score


HEADLINES = (
    Headline(
        "INSIDE", "400 drawn scenes, one quadrant asked for", "hard Dice",
        clevr_seg.STUDY, ("test", "hard_dice"), {"network": "inside"},
        ("no condition", {"network": "none"}),
        ("GuidingBlock", {"network": "guiding"}),
    ),
    Headline(
        "INSIDE", "hearts of 16 patients (ACDC)", "3-D Dice", acdc.STUDY,
        ("test", "dice", "mean"), {"network": "inside", "share": 100},
        ("no condition", {"network": "none", "share": 100}),
        ("FiLM", {"network": "film", "share": 100}),
        ("acdc", acdc_weights.STUDY, "inside", "test", "dice", "mean"),
    ),
    Headline(
        "ACM, 32 groups", "simulated nodules in 72 radiographs",
        "JAFROC, shift taken off", nodules.STUDY, ("test", "jafroc_shifted"),
        {"variant": "32 groups"}, ("no attention", {"variant": "none"}),
        ("SE", {"variant": "se"}),
    ),
    Headline(
        "AttenScribble", "hearts of 16 patients (ACDC), strokes", "3-D Dice",
        scribble.STUDY, ("test", "dice", "mean"),
        {"method": "full", "data_set": "acdc"},
        ("partial cross-entropy", {"method": "pce", "data_set": "acdc"}),
        ("all pixels labelled", {"method": "dense", "data_set": "acdc"}),
        ("acdc_scribble", scribble_weights.STUDY, "acdc_scribble", "test", "dice",
         "mean"),
    ),
    Headline(
        "Cross-modality", "drawn brains, a label a slice", "3-D Dice",
        cross_modality.STUDY, ("test", "cam", "fused", "dice"),
        {"run": "full", "data": "phantoms"},
        ("CAM", {"run": "cam", "data": "phantoms"}),
        ("all pixels labelled", {"run": "supervised", "data": "phantoms"}),
    ),
    Headline(
        "Cross-modality", "the same networks, 4 patients (BraTS)", "3-D Dice",
        cross_modality.STUDY, ("test", "cam", "fused", "dice"),
        {"run": "full", "data": "transfer"},
        ("CAM", {"run": "cam", "data": "transfer"}),
        ("all pixels labelled", {"run": "supervised", "data": "transfer"}),
        ("brats", cross_modality_weights.STUDY, "brats", "dice"),
    ),
)  # fmt: skip


def table():
    """Markdown: one row a study, mean and standard deviation over its seeds."""
    rows = []
    for row in HEADLINES:
        found = scores(row, row.ours)
        others = [
            f"{name} {study.mean_sd(scores(row, where))}"
            for name, where in (row.without, row.beside)
        ]
        rows.append([row.idea, row.on, row.score, study.mean_sd(found), *others,
                     len(found), shipped(row)])  # fmt: skip
    header = ["", "on", "score", "with it", "without", "beside", "seeds",
              "`weights=` (of hearts, trained longer)"]  # fmt: skip
    return study.markdown(header, rows)


def scores(row, where):
    """What each seed of a row's study measured, as the mean over its folds."""
    seeds = {}
    for result in study.results(row.study).values():
        if all(result[key] == value for key, value in where.items()):
            seeds.setdefault(result["seed"], []).append(_at(result, row.at))
    return [sum(folds) / len(folds) for folds in seeds.values()]


def shipped(row):
    """The weights that came of a study, on the same test patients."""
    if not row.shipped:
        return ""
    name, of, *at = row.shipped
    return f'`"{name}"` {_at(study.results(of), at):.3f}'


def _at(result, keys):
    for key in keys:
        result = result[key]
    return result


def costs():
    """Markdown: what the modules cost on each backend, in a training step."""
    acm, steps = speed.records(), scribble_speed.records()
    columns = list(dict.fromkeys([*acm, *steps]))
    rows = [
        [title, *(_added(acm.get(column, {}), variant) for column in columns)]
        for title, variant in (
            ("ACM in all 16 blocks of ResNet-50, 224 px", "acm"),
            ("the same as its formula reads", "acm in two passes"),
        )
    ] + [
        [title, *(_step(steps.get(column), form) for column in columns)]
        for title, form in (
            ("AttenScribbleUNet, 4 images of 256 px", "ours"),
            ("the same with all pairs of pixels", "dense"),
            ("its U-Net alone", "plain"),
        )
    ]
    return study.markdown(["training step", *columns], rows)


def _added(record, variant):
    rows = [r for r in record.get("attention", ()) if r["attention"] == variant]
    return speed.added(rows[0]) if rows else "–"


def _step(record, form, size=256):
    seconds, peaks = scribble_speed.measured(record, "step", size)
    cells = [f"{seconds[form]:.1f} s"] if form in seconds else []
    cells += [f"{peaks[form]:.1f} GB"] if form in peaks else []
    return ", ".join(cells) or "–"
