"""The README says what is measured, and its code runs on the backend of this run."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import keras
import pytest

from keras_condattn.datasets import acdc

ROOT = pathlib.Path(__file__).resolve().parent.parent
README, RESULTS = ((ROOT / name).read_text() for name in ("README.md", "RESULTS.md"))


def test_code_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 6
    hearts = acdc.write_phantoms(tmp_path / "ACDC", 1, slices=2, size=(80, 90))
    backend = keras.backend.backend()
    code = "\n".join(blocks).replace('"tensorflow"  #', f'"{backend}"  #')
    assert f'"{backend}"  #' in code and '"ACDC/database"' in code
    code = code.replace('"ACDC/database"', repr(str(hearts)))
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    # Keras' own defaults, not this run's.
    environment |= {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(tmp_path)}
    code += "\nprint(steered.shape, keras.backend.backend())"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith(f"(1, 64, 64) {backend}")
    assert len(list(tmp_path.glob("patient*_E[DS].nii.gz"))) == 2


@pytest.mark.pure
@pytest.mark.skipif(
    not importlib.util.find_spec("matplotlib"), reason="matplotlib is not installed"
)
def test_tables_are_what_the_results_say():
    from benchmarks import readme

    assert readme.filled(README) == README
    assert readme.filled(RESULTS) == RESULTS
    tables = re.findall(r"<!-- table: (\w+) -->", README + RESULTS)
    assert sorted(tables) == sorted(readme.TABLES)


@pytest.mark.pure
def test_links_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README + RESULTS)
    assert targets
    assert [t for t in targets if not (ROOT / t).exists()] == []
