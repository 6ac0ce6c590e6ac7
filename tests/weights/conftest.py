"""A register, a clone, a wheel and a Keras home of the test's own."""

import dataclasses
import json
from types import SimpleNamespace

import keras
import pytest

from keras_condattn.weights import cards, places, registry
from keras_condattn.weights.records import WeightsFacts


def tiny(units=3, deep=False):
    """A network with batch statistics and a seed, the things that hide in a model."""
    inputs = keras.Input((4,))
    x = keras.layers.Dense(units)(inputs)
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(units)(x) if deep else x
    return keras.Model(inputs, keras.layers.Dense(1)(x))


FACTS = WeightsFacts(
    architecture="TinyNet",
    name="small",
    dataset="ten random vectors",
    metrics={"dice": 0.5, "spread": "0.4 to 0.6"},
    licence="Apache-2.0",
    config={
        "input_shape": [None, 96, 3],
        "units": 3,
        "filters": [4, 8],
        "options": {"at": [1, 2]},
    },
    preprocessing={"scale": "divide by 255"},
    conditioning="one-hot: left, right",
    protocol="one epoch, last iterate",
    source="nobody, 2026",
    command="python train.py --seed 0",
)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Empty rooms in a temporary folder instead of the package's own."""
    rooms = SimpleNamespace(
        clone=tmp_path / "weights",
        wheel=tmp_path / "wheel",
        home=tmp_path / "home",
        records=tmp_path / "records.json",
    )
    for folder in (rooms.clone, rooms.wheel, rooms.home):
        folder.mkdir()
    (tmp_path / "pyproject.toml").touch()
    rooms.records.write_text("[]")
    monkeypatch.setattr(places, "REPOSITORY", tmp_path)
    monkeypatch.setattr(cards, "REPOSITORY", tmp_path)
    monkeypatch.setattr(places, "WHEEL", rooms.wheel)
    monkeypatch.setattr(registry, "RECORDS", rooms.records)
    monkeypatch.setenv("KERAS_HOME", str(rooms.home))
    monkeypatch.delenv(places.MIRROR, raising=False)
    return rooms


@pytest.fixture
def facts():
    return FACTS


@pytest.fixture
def published(house):
    """`TinyNet`'s weights, registered, and the model they came from."""
    model = tiny()
    return SimpleNamespace(model=model, record=cards.publish(model, FACTS))


@pytest.fixture
def row():
    """A valid row of `records.json`."""
    file = {"file": "TinyNet.small.weights.h5", "sha256": "0" * 64, "bytes": 1}
    return json.loads(json.dumps(dataclasses.asdict(FACTS) | file))


@pytest.fixture
def make_tiny():
    return tiny
