"""Docstrings are complete, say the truth about defaults, and their examples run."""

import ast
import doctest
import inspect
import re

import keras
import numpy as np
import pytest

import keras_condattn
from keras_condattn import _export

# Sources and loaders are public too, but nothing that Keras would serialise.
DATASETS = [
    keras_condattn.datasets.Augmentation,
    keras_condattn.datasets.Batches,
    keras_condattn.datasets.SimulatedScribbles,
    keras_condattn.datasets.acdc.load,
    keras_condattn.datasets.acdc.Hearts,
    keras_condattn.datasets.acdc.write_phantoms,
    keras_condattn.datasets.brats.load,
    keras_condattn.datasets.brats.load_pictures,
    keras_condattn.datasets.brats.Brains,
    keras_condattn.datasets.brats.write_phantoms,
    keras_condattn.datasets.chaos.load,
    keras_condattn.datasets.chest_xray14.load,
    keras_condattn.datasets.chest_xray14.CropAndJitter,
    keras_condattn.datasets.chest_xray14.Radiographs,
    keras_condattn.datasets.chest_xray14.write_phantoms,
    keras_condattn.datasets.clevr_seg.load,
    keras_condattn.datasets.clevr_seg.render,
    keras_condattn.datasets.coco.load,
    keras_condattn.datasets.coco.Photographs,
    keras_condattn.datasets.dsb2018.load,
    keras_condattn.datasets.nodules.Nodules,
    keras_condattn.datasets.nodules.lung_field,
    keras_condattn.datasets.simulate_scribble,
    keras_condattn.datasets.write_nifti,
]
PUBLIC = [inspect.unwrap(target) for target in [*_export.PUBLIC, *DATASETS]]
public = pytest.mark.parametrize(
    "target", PUBLIC, ids=lambda t: f"{t.__module__.split('.')[-2]}.{t.__name__}"
)

# How each backend prints a shape.
SHAPES = (
    (re.compile(r"torch\.Size\(\[([^\]]*)\]\)"), r"(\1)"),
    (re.compile(r"TensorShape\(\[([^\]]*)\]\)"), r"(\1)"),
)


class Checker(doctest.OutputChecker):
    def check_output(self, want, got, flags):
        for pattern, plain in SHAPES:
            got = pattern.sub(plain, got)
        return super().check_output(want, got, flags)


def arguments(target):
    """Name -> default of the arguments a docstring must describe."""
    function = target.__init__ if inspect.isclass(target) else target
    if inspect.isclass(target) and "__init__" not in vars(target):
        return {}
    parameters = inspect.signature(function).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if p.name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }


def described(target):
    """Name -> text of the entries of the `Args:` section."""
    text = inspect.getdoc(target) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.M | re.S)
    if not section:
        return {}
    entries = re.split(r"^    (?=\*{0,2}\w+:)", section.group(1), flags=re.M)[1:]
    split = (entry.split(":", 1) for entry in entries)
    return {name.strip("*"): " ".join(body.split()) for name, body in split}


@public
def test_every_argument_is_described(target):
    assert (inspect.getdoc(target) or "").strip(), f"{target.__name__}: no docstring"
    missing = set(arguments(target)) - set(described(target))
    assert not missing, f"{target.__name__}: not described: {sorted(missing)}"


@public
def test_described_defaults_are_the_signature_s(target):
    texts = described(target)
    for name, default in arguments(target).items():
        said = re.search(r"Defaults to (.+?)(?:, [a-z].*|; .*)?\.(?:\s|$)", texts[name])
        if default is inspect.Parameter.empty:
            assert not said, f"{target.__name__}.{name} has no default"
            continue
        assert said, f"{target.__name__}.{name}: the default {default!r} is not said"
        value = ast.literal_eval(said.group(1).strip("`"))
        assert value == default, f"{target.__name__}.{name}: {value!r} != {default!r}"


@public
def test_examples_run(target):
    finder = doctest.DocTestFinder(recurse=False)
    names = {"keras_condattn": keras_condattn, "np": np, "keras": keras}
    runner = doctest.DocTestRunner(Checker(), verbose=False,
                                   optionflags=doctest.ELLIPSIS)  # fmt: skip
    for test in finder.find(target, target.__name__, globs=names):
        report = []
        runner.run(test, out=report.append)
        assert runner.failures == 0, "".join(report)


def test_the_checks_see_what_is_wrong():
    def wrong(size=3):
        """Does nothing.

        Args:
            size: of it. Defaults to 4.

        >>> 1 + 1
        3
        """

    with pytest.raises(AssertionError, match="4 != 3"):
        test_described_defaults_are_the_signature_s(wrong)
    with pytest.raises(AssertionError):
        test_examples_run(wrong)
