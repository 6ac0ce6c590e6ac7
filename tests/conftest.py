"""Imports torch first, fixes the data format, and knows whether a GPU is there."""

import os
import pathlib

import numpy as np
import pytest

if os.environ.get("KERAS_BACKEND") == "torch":
    import torch  # before anything that may pull TensorFlow in: it segfaults otherwise

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False

import keras

keras.config.set_image_data_format(
    os.environ.get("KERAS_CONDATTN_DATA_FORMAT")
    or ("channels_first" if keras.backend.backend() == "torch" else "channels_last")
)
if keras.backend.backend() == "jax":
    import jax

    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_default_matmul_precision", "highest")

PARITY = pathlib.Path(__file__).parent / "parity"


def gpu_is_visible():
    """True where the backend of this run computes on a GPU."""
    backend = keras.backend.backend()
    if backend == "torch":
        return torch.cuda.is_available()
    if backend == "jax":
        return any(d.platform == "gpu" for d in jax.devices())
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def pytest_collection_modifyitems(config, items):
    if os.environ.get("KERAS_CONDATTN_PURE") == "0":
        pure = [item for item in items if item.get_closest_marker("pure")]
        config.hook.pytest_deselected(items=pure)
        items[:] = [item for item in items if item not in pure]
    if any(item.get_closest_marker("gpu") for item in items) and not gpu_is_visible():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no GPU on this machine"))


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(params=["channels_last", "channels_first"])
def data_format(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def golden():
    """Loads a golden file of tests/parity by name."""
    return lambda name: dict(np.load(PARITY / name, allow_pickle=False))


@pytest.fixture
def real_data():
    """The folder of real data sets, or a skip that says why."""
    root = os.environ.get("KERAS_CONDATTN_DATA")
    if not root or not pathlib.Path(root).is_dir():
        pytest.skip("KERAS_CONDATTN_DATA names no folder: real data are not here")
    return pathlib.Path(root)
