"""Writes the tables of README.md and RESULTS.md; `--check` only compares.

    python -m benchmarks.readme [--check]

They come from benchmarks/results. A table stands between `<!-- table: NAME -->` and
`<!-- end -->`.
"""

import argparse
import re
import sys

from benchmarks import (
    acdc,
    acdc_weights,
    clevr_seg,
    cross_modality,
    cross_modality_weights,
    headlines,
    inside_ablation,
    nodules,
    nuclei,
    radiographs,
    scribble,
    scribble_check,
    scribble_speed,
    scribble_weights,
    speed,
    study,
)

PAGES = (study.ROOT / "README.md", study.ROOT / "RESULTS.md")
TABLES = {
    "headlines": headlines.table,
    "costs": headlines.costs,
    "clevr_seg_96": lambda: study.dice_table(
        clevr_seg.STUDY, clevr_seg.NETWORKS | clevr_seg.WIDE
    ),
    "inside_ablation": inside_ablation.table,
    "nuclei": lambda: study.dice_table(nuclei.STUDY, nuclei.NETWORKS),
    "acdc": acdc.table,
    "acdc_readers": acdc.readers_table,
    "acdc_weights": acdc_weights.table,
    "acdc_postprocessing": acdc_weights.choice_table,
    "cross_modality": cross_modality.table,
    "cross_modality_real": lambda: cross_modality.table("brats15"),
    "cross_modality_patients": cross_modality.patients_table,
    "cross_modality_transfer": lambda: cross_modality.table("transfer"),
    "cross_modality_transfer_patients": lambda: cross_modality.patients_table(
        "transfer"
    ),
    "cross_modality_weights": cross_modality_weights.table,
    "scribble_acdc": lambda: scribble.table("acdc"),
    "scribble_chaos": lambda: scribble.table("chaos_t2"),
    "scribble_similarity": scribble.similarity_table,
    "scribble_weights": scribble_weights.table,
    "scribble_offsets": scribble_weights.choice_table,
    "scribble_check": scribble_check.table,
    "nodules": nodules.table,
    "radiographs": radiographs.table,
    "layer_speed": speed.layer_table,
    "step_speed": speed.step_table,
    "attention_speed": speed.attention_table,
    "scribble_speed": scribble_speed.compared,
    "scribble_growth": scribble_speed.growth,
}
PATTERN = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.S)


def filled(text):
    """A page with its tables made anew."""
    return PATTERN.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}\n{m[3]}", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    old = {page: page.read_text() for page in PAGES}
    new = {page: filled(text) for page, text in old.items()}
    differ = [page for page in PAGES if new[page] != old[page]]
    if check and differ:
        sys.exit(f"{', '.join(p.name for p in differ)}: tables differ from the results")
    for page in differ:
        page.write_text(new[page])


if __name__ == "__main__":
    main()
