"""Speed and memory of INSIDE, of ACM and of training steps, on every backend.

    python -m benchmarks.speed [--backends jax torch] [--quick] [--table]
    python -m benchmarks.speed --parts attention      # the rest stays as it was

Each backend is measured in processes of its own and leaves one file,
benchmarks/results/speed/<backend>.json, or <backend>-gpu.json where it computed on a
GPU. `--quick` only tries that everything runs and writes to a temporary folder.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import study
from benchmarks._memory import ENVIRONMENT

BACKENDS = ("tensorflow", "jax", "torch")
FORMULATIONS = ("ours", "released", "tiled")
PARTS = ("layer", "memory", "step", "attention")
STUDY = "speed"
NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def measure(backend, quick, parts=PARTS):
    """Some parts of one backend as one record."""
    record = {}
    for part in parts:
        print(f"{backend}: {part}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.json"
            command = [sys.executable, "-m", "benchmarks._speed_worker", part, out]
            subprocess.run(
                [*command, *(["--quick"] if quick else [])],
                check=True, cwd=study.ROOT, env=environment(backend, part),
            )  # fmt: skip
            record |= json.loads(out.read_text())
    return record


def environment(backend, part):
    variables = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # What JAX compiled for the times it need not compile for the memory, where its
    # compiler is many times slower.
    variables |= {
        "JAX_COMPILATION_CACHE_DIR": str(study.OUTPUTS / "jax_cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    if part == "memory":
        variables |= ENVIRONMENT
    # A second backend finds its memory free, whatever the first one reserves.
    return {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **variables}


def layer_table():
    """Markdown: INSIDE in our formulation and in the two others.

    Times are medians in milliseconds and, in brackets, multiples of the floor: a pass
    that reads and writes the same bytes and does nothing else. Peak memory counts
    feature maps held beyond the input, the output and its gradient included.
    """
    header = ["backend", "features", "pass", "floor", "ours", "as released", "tiled",
              "peak memory: ours, as released, tiled"]  # fmt: skip
    rows = []
    for name, record in records().items():
        for row in record.get("layer", ()):
            times = {k: v["median_ms"] for k, v in row["times"].items()}
            low = times["floor"]
            rows.append([
                name, "x".join(map(str, row["size"])), row["mode"], f"{low:.2f}",
                *(f"{times[k]:.2f} ({times[k] / low:.1f})" for k in FORMULATIONS),
                peaks(record, row) if row["mode"] != "forward" else "",
            ])  # fmt: skip
    return study.markdown(header, rows)


def peaks(record, row):
    """`4.0, 7.0, 13.0`: peaks in multiples of the features."""
    found = {
        m["formulation"]: m["peak_bytes"] / m["features_bytes"]
        for m in record["memory"]
        if m["size"] == row["size"]
    }
    return ", ".join(f"{found[k]:.1f}" for k in FORMULATIONS)


def step_table():
    """Markdown: milliseconds of `train_on_batch`, a network a row."""
    found = records()
    times = {
        column: {label(s): f"{s['median_ms']:.0f}" for s in record.get("step", ())}
        for column, record in found.items()
    }
    networks = dict.fromkeys(n for column in times.values() for n in column)
    rows = [
        [*network, *(column.get(network, "") for column in times.values())]
        for network in networks
    ]
    header = ["network", "image", "batch", "conditioning", *found]
    return study.markdown(header, rows)


def attention_table():
    """Markdown: a training step of ResNet-50 with attention in all sixteen blocks.

    Milliseconds, and what is added to the step without attention that took turns.
    """
    columns = {n: r["attention"] for n, r in records().items() if "attention" in r}
    if not columns:
        return ""
    rows = []
    for variant in (row["attention"] for row in next(iter(columns.values()))):
        cells = []
        for measured in columns.values():
            row = next(row for row in measured if row["attention"] == variant)
            cells.append(
                f"{row['median_ms']:.0f}" + f" ({added(row)})" * (variant != "none")
            )
        rows.append([variant, *cells])
    return study.markdown(["attention", *columns], rows)


def added(row):
    """What attention adds to the step without, as `+12 %`."""
    return f"+{100 * (row['median_ms'] / row['none_ms'] - 1):.0f} %"


def label(step):
    return tuple(step[k] for k in ("network", "size", "batch", "conditioning"))


def records():
    """What is measured so far, by the name of a column."""
    found = study.results(STUDY)
    keys = [backend + end for end in ("", "-gpu") for backend in BACKENDS]
    return {
        NAMES[found[key]["environment"]["backend"]]
        + (", GPU" if is_gpu(found[key]) else ""): found[key]
        for key in keys
        if key in found
    }


def is_gpu(record):
    return record["device"]["kind"] == "gpu"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.quick:
        study.into_scratch(STUDY)
    for backend in () if options.table else options.backends:
        record = measure(backend, options.quick, options.parts)
        key = backend + ("-gpu" if is_gpu(record) else "")
        before = study.results(STUDY).get(key, {})
        if before and set(options.parts) < set(PARTS):
            # What is measured later says so itself.
            later = {part: record["environment"] for part in options.parts}
            record["environment"] = before["environment"]
            record["later"] = before.get("later", {}) | later
        study.write_json(study.RESULTS / STUDY / f"{key}.json", before | record)
    print("\n\n".join(t for t in (layer_table(), step_table(), attention_table()) if t))


if __name__ == "__main__":
    main()
