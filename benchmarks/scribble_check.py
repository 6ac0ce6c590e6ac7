"""The scribble simulator beside the scribbles that people drew.

    python -m benchmarks.scribble_check [--data ../shared/data] [--table]

ACDC's expert scribbles, every fourth volume, a class a row; MedScribble's, the medians
over its people and images. Lengths are those of the strokes' skeletons, over the square
root of the area of what they mark. The pens' parameters were set on these very
scribbles: this shows what the simulator can imitate, not what it predicts.
"""

import argparse
import os
import pathlib

import numpy as np

from benchmarks import study
from keras_condattn.datasets import acdc, simulate_scribble

STUDY = "scribble_check"
EVERY = 4
# MedScribble's pens are thick, and its images 256 pixels a side, whatever they show.
THICK = {"length": (2.2, 2.2), "width": 4.4}
MEASURES = ("coverage", "length", "width")


def measured(scribble, label, number):
    """Coverage of a class, length over the root of its area, width; None without."""
    from skimage.morphology import skeletonize

    stroke, area = scribble == number, int((label == number).sum())
    if not area:
        return None
    line = int(skeletonize(stroke).sum()) if stroke.any() else 0
    return {
        "coverage": float(stroke.sum() / area),
        "length": float(line / np.sqrt(area)),
        "width": float(stroke.sum() / line) if line else None,
    }


def summary(rows):
    """Median and quartiles of each measure."""
    found = {}
    for name in MEASURES:
        values = [row[name] for row in rows if row[name] is not None]
        found[name] = [float(np.percentile(values, q)) for q in (25, 50, 75)]
    return found


def hearts(options):
    """ACDC: drawn and simulated, by class; and the share of all pixels."""
    source = acdc.load(options.data / "acdc", volumes=True, scribbles=True)
    rows = {kind: [[] for _ in acdc.CLASSES] for kind in ("drawn", "simulated")}
    pixels = {kind: np.zeros(len(acdc.CLASSES)) for kind in rows}
    seen = range(0, len(source), EVERY)
    for i in seen:
        item = source[i]
        for z, label in enumerate(item["label"]):
            pair = {
                "drawn": item["scribble"][z],
                "simulated": simulate_scribble(label, len(acdc.CLASSES), seed=z),
            }
            for kind, scribble in pair.items():
                for number in range(len(acdc.CLASSES)):
                    row = measured(scribble, label, number)
                    rows[kind][number] += [row] if row else []
                    pixels[kind][number] += (scribble == number).sum()
    total = {kind: count.sum() for kind, count in pixels.items()}
    return {
        "volumes": len(seen),
        "simulated_over_drawn_pixels": total["simulated"] / total["drawn"],
        **{
            kind: {
                name: {"pixels": pixels[kind][n], **summary(rows[kind][n])}
                for n, name in enumerate(acdc.CLASSES)
            }
            for kind in rows
        },
    }


def people(options):
    """MedScribble: object and background, all of its sets and CHAOS's abdomens."""
    files = sorted((options.data / "medscribble").glob("*.npz"))
    return {
        "all": medscribble(files),
        "CHAOS": medscribble([f for f in files if f.name.startswith("CHAOS")]),
    }


def medscribble(files):
    rows = {kind: [[], []] for kind in ("drawn", "simulated")}
    for path in files:
        arrays = np.load(path)
        label = (np.squeeze(arrays["seg"]) > 0.5).astype("uint8")
        pens = [arrays[name] for name in arrays if name.startswith("scribble_")]
        drawn = [np.where(i > 0, 1, np.where(o > 0, 0, 2)) for i, o in pens]
        simulated = [
            simulate_scribble(label, 2, seed=seed, **THICK) for seed in range(len(pens))
        ]
        for kind, scribbles in (("drawn", drawn), ("simulated", simulated)):
            for scribble in scribbles:
                for number in range(2):
                    row = measured(scribble, label, number)
                    rows[kind][number] += [row] if row and row["width"] else []
    names = ("background", "object")
    return {
        "images": len(files),
        **{kind: {names[n]: summary(rows[kind][n]) for n in range(2)} for kind in rows},
    }


def table():
    """Markdown: medians, drawn / simulated."""
    found = study.results(STUDY)
    parts = {"ACDC": found["acdc"]} | {
        f"MedScribble, {name}": part
        for name, part in found["medscribble"].items()
        if isinstance(part, dict) and "drawn" in part
    }
    rows = []
    for name, part in parts.items():
        for what in part["drawn"]:
            cells = []
            for measure, factor, digits in (
                ("length", 1, 2), ("width", 1, 2), ("coverage", 100, 1),
            ):  # fmt: skip
                drawn, simulated = (
                    factor * part[kind][what][measure][1]
                    for kind in ("drawn", "simulated")
                )
                cells.append(f"{drawn:.{digits}f} / {simulated:.{digits}f}")
            rows.append([name, what, *cells])
    return study.markdown(
        ["scribbles", "of", "length / √area", "width, px", "% of the area"], rows
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("KERAS_CONDATTN_DATA") or "../shared/data"
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(default))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.table:
        study.run_once(STUDY, "acdc", lambda: hearts(options))
        study.run_once(STUDY, "medscribble", lambda: people(options))
    print(table())


if __name__ == "__main__":
    main()
