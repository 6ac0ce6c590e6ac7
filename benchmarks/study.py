"""A study is a table of runs: one JSON file a run, so that it survives a stop."""

import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import tempfile

import keras
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
OUTPUTS = ROOT / "outputs"


def run_once(study, key, run):
    """Runs `run() -> dict` unless its result is on disk, and writes what it found."""
    path = RESULTS / study / f"{key}.json"
    if path.exists():
        print(f"{study}/{key}: done already")
        return json.loads(path.read_text())
    print(f"{study}/{key}: running", flush=True)
    result = {"key": key, **run(), "environment": environment()}
    write_json(path, result)
    return result


def results(study):
    """Every result of a study, by key."""
    files = sorted((RESULTS / study).glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in files}


def write_json(path, content):
    """Writes in one step, so that no half-written result is ever read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
    os.chmod(name, 0o644)
    os.replace(name, path)


def into_scratch(name):
    """Results and weights of a trial go to a folder of their own."""
    global RESULTS, OUTPUTS
    RESULTS = OUTPUTS = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-"))
    print(f"writing to {RESULTS}")


def environment():
    """What a number depends on besides the code."""
    packages = ("keras", "numpy", "tensorflow-cpu", "tensorflow", "jax", "torch")
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return {
        "backend": keras.backend.backend(),
        "data_format": keras.config.image_data_format(),
        "versions": versions,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "commit": head.stdout.strip(),
    }


def mean_sd(values, digits=3):
    """`0.912 ± 0.004`: mean and sample standard deviation over seeds."""
    values = np.asarray(values, "float64")
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def markdown(header, rows):
    """A table, as the README shows it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def dice_table(study, networks):
    """Markdown of everything a study has measured so far, a row a network."""
    runs = results(study).values()
    rows = []
    for network in networks:
        of = [run for run in runs if run["network"] == network]
        if of:
            rows.append([
                network,
                mean_sd([run["test"]["hard_dice"] for run in of]),
                mean_sd([run["test"]["soft_dice"] for run in of]),
                len(of),
                f"{of[0]['parameters']:,}",
                mean_sd([run["best_epoch"] for run in of], 0),
            ])  # fmt: skip
    header = ["conditioning", "hard Dice", "soft Dice", "seeds", "parameters",
              "best epoch"]  # fmt: skip
    return markdown(header, rows)
