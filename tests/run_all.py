"""`make test`: style, types, and every test on every backend, then one line.

    python tests/run_all.py [pytest arguments]

Two backends run at a time, a core each; torch runs in channels_first. Tests marked
`pure` let no backend compute and run once.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
}
# The longest first, and the tests that need no backend with the quickest.
BACKENDS = ("jax", "tensorflow", "torch")


def check(name):
    """Runs one tool; its failure counts as a failed test."""
    result = subprocess.run(
        [sys.executable, "-m", *CHECKS[name]], cwd=ROOT, capture_output=True, text=True
    )
    passed = result.returncode == 0
    print(f"{name}: {'passed' if passed else 'FAILED'}", flush=True)
    if not passed:
        print(result.stdout + result.stderr, flush=True)
    return {"passed": int(passed), "failed": int(not passed), "skipped": 0}


def suite(backend, arguments):
    """All tests on one backend, counted from the report pytest writes."""
    begin = time.time()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "KERAS_CONDATTN_PURE": str(int(backend == "torch")),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OMP_NUM_THREADS": "1",
            # Compiling is most of what JAX does here; what it computes is the same.
            # A model that is built, saved and built again is compiled once.
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "JAX_COMPILATION_CACHE_DIR": folder,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        result = subprocess.run(
            [sys.executable, "-m", "pytest", f"--junitxml={report}", "--durations=20",
             *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        counts = counted(report, result.returncode)
    minutes = (time.time() - begin) / 60
    print(f"\n=== {backend}, {minutes:.1f} minutes\n{result.stdout}", flush=True)
    if result.returncode:
        print(result.stderr[-4000:], flush=True)
    return counts


def counted(report, code):
    """A run that broke off before its report counts as one failure."""
    if not report.exists():
        return {"passed": 0, "failed": 1, "skipped": 0}
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    total = {
        key: sum(int(s.get(key, 0)) for s in suites)
        for key in ("tests", "failures", "errors", "skipped")
    }
    failed = total["failures"] + total["errors"]
    passed = total["tests"] - failed - total["skipped"]
    # Exit 5 is "nothing collected": a suite that tests nothing has failed.
    failed = max(failed, int(code not in (0, 1)))
    return {"passed": passed, "failed": failed, "skipped": total["skipped"]}


def main():
    arguments = sys.argv[1:]
    results = [check(name) for name in CHECKS]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results += pool.map(lambda backend: suite(backend, arguments), BACKENDS)
    total = {key: sum(r[key] for r in results) for key in results[0]}
    print(
        f"{total['passed']} passed, {total['failed']} failed, "
        f"{total['skipped']} skipped"
    )
    sys.exit(bool(total["failed"]))


if __name__ == "__main__":
    main()
