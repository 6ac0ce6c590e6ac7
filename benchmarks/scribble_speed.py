"""Speed and memory of learning from scribbles, on every backend.

    python -m benchmarks.scribble_speed [--backends jax torch] [--quick] [--table]
    python -m benchmarks.scribble_speed --parts time    # wants a quiet machine
    python -m benchmarks.scribble_speed --parts memory  # does not

A training step of AttenScribbleUNet (4 images of one channel, 4 classes) and each of
its parts alone, beside the usual way of writing it and the U-Net without any of it, for
images from 64 to 512 pixels a side. Times are taken with all formulations
taking turns in one process; memory in a process for each number. What would not fit in
this machine's memory is left out. One file for each backend:
benchmarks/results/scribble_speed/<backend>.json, or <backend>-gpu.json.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import study
from benchmarks.speed import BACKENDS, NAMES, environment, is_gpu

STUDY = "scribble_speed"
SIZES = (64, 128, 256, 512)
NOTHING = {"time": [], "memory": []}
# Ours first, then the usual way; last what nothing could do with less than: the network
# without any of it, and the products of an exact attention alone.
WHATS = {
    "step": ("ours", "dense", "plain"),
    "attention": ("ours", "dense", "products"),
    "gated_crf": ("ours", "unfolded"),
    "attentive_similarity": ("ours", "dense"),
}
TITLES = {
    "step": "training step",
    "attention": "attention block",
    "gated_crf": "gated CRF",
    "attentive_similarity": "attentive similarity",
}


def measure(backend, part, whats, sizes, quick):
    """The times or the peaks of one backend."""
    alone = [f"{what}:{name}" for what in whats for name in WHATS[what]]
    rows, found = [], {}
    for size in sizes:
        for what in whats if part == "time" else alone:
            found = worker(backend, what, size, quick)
            rows.append(found.pop("row"))
    return {part: rows, **found}


def merged(old, new, part):
    """A record with the new rows in the places of those of the same things."""

    def name(row):
        return row["what"], row["size"], row.get("formulation")

    rows = {name(row): row for row in [*old.get(part, []), *new[part]]}
    return NOTHING | old | new | {part: list(rows.values())}


def worker(backend, what, size, quick):
    print(f"{backend}: {what}, {size} pixels", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.json"
        command = [sys.executable, "-m", "benchmarks._scribble_worker", what, str(size)]
        brief = ["--seconds", "0.2", "--least", "2"] if quick else []
        part = "memory" if ":" in what else "time"
        subprocess.run([*command, out, *brief], check=True, cwd=study.ROOT,
                       env=environment(backend, part))  # fmt: skip
        return json.loads(out.read_text())


def records():
    """What is measured so far, by the name of a column."""
    found = study.results(STUDY)
    return {
        NAMES[record["environment"]["backend"]] + (", GPU" if is_gpu(record) else ""):
        record
        for backend in BACKENDS
        for key, record in found.items()
        if key.split("-")[0] == backend
    }  # fmt: skip


def compared(size=256):
    """Markdown: ours and the usual form at one size; seconds, gigabytes, ratios."""
    rows = []
    for name, record in records().items():
        for what, (ours, usual, *rest) in WHATS.items():
            seconds, peaks = measured(record, what, size)
            rows.append([
                name, TITLES[what],
                *(_cell(seconds.get(f), 2) for f in (ours, usual)),
                _ratio(seconds.get(usual), seconds.get(ours)),
                _cell(seconds.get(rest[0]), 2) if rest else "",
                *(_cell(peaks.get(f), 2) for f in (ours, usual)),
                _ratio(peaks.get(usual), peaks.get(ours)),
            ])  # fmt: skip
    return study.markdown(
        ["backend", f"{size} x {size}, batch of 4", "ours, s", "usual, s", "ratio",
         "least, s", "ours, GB", "usual, GB", "ratio"], rows,
    )  # fmt: skip


def growth():
    """Markdown: ours / the usual form from size to size; seconds and gigabytes."""
    rows, sizes = [], set()
    for record in records().values():
        sizes |= {row["size"] for row in record["time"]}
    for name, record in records().items():
        for what, names in WHATS.items():
            found = [measured(record, what, size) for size in sorted(sizes)]
            cells = [_pair(of[part], names) for part in (0, 1) for of in found]
            rows.append([name, TITLES[what], *cells])
    header = [f"{size}, {unit}" for unit in ("s", "GB") for size in sorted(sizes)]
    return study.markdown(["backend", "", *header], rows)


def _pair(found, names):
    ours, usual, *_ = (_cell(found.get(name), 2) or "–" for name in names)
    return f"{ours} / {usual}"


def measured(record, what, size):
    """Seconds and gigabytes of each formulation that was measured."""

    def rows(part):
        return [r for r in record[part] if (r["what"], r["size"]) == (what, size)]

    seconds = {
        name: times["median_ms"] / 1e3
        for row in rows("time")
        for name, times in row["times"].items()
    }
    peaks = {row["formulation"]: row["peak_bytes"] for row in rows("memory")}
    return seconds, {n: peak / 1e9 for n, peak in peaks.items() if peak is not None}


def _cell(value, digits):
    return "" if value is None else f"{value:.{digits}f}"


def _ratio(usual, ours):
    return "" if not usual or not ours else f"{usual / ours:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--whats", nargs="+", choices=WHATS, default=list(WHATS))
    parser.add_argument("--parts", nargs="+", choices=NOTHING, default=list(NOTHING))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.quick:
        study.into_scratch(STUDY)
    sizes = (32,) if options.quick else options.sizes
    for part in () if options.table else options.parts:
        for backend in options.backends:
            record = measure(backend, part, options.whats, sizes, options.quick)
            key = backend + ("-gpu" if is_gpu(record) else "")
            record = merged(study.results(STUDY).get(key, {}), record, part)
            study.write_json(study.RESULTS / STUDY / f"{key}.json", record)
    print(f"\n{compared(sizes[0] if options.quick else 256)}\n\n{growth()}")


if __name__ == "__main__":
    main()
