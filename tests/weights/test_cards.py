"""Cards say what records say; what is committed is whole, small and true."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_condattn.weights import card, cards, publish, read_records, registry
from keras_condattn.weights.places import sha256_of

COMMITTED = registry.RECORDS.parents[2] / "weights"


def faults(records, folder, most=60_000_000):
    """What is wrong with the files and cards of a folder."""
    found = []
    for record in records:
        path = folder / record.file
        if not path.is_file():
            found.append(f"{record.file} is missing")
        elif sha256_of(path) != record.sha256 or path.stat().st_size != record.bytes:
            found.append(f"{record.file} is not as registered")
        elif record.bytes > cards.MAX_BYTES:
            found.append(f"{record.file} is too large")
        written = folder / cards.card_name(record)
        if not written.is_file() or written.read_text("utf-8") != card(record):
            found.append(f"{written.name} is not the card of its record")
    known = {record.file for record in records}
    files = list(folder.glob("*.h5"))
    found += [f"{path.name} has no record" for path in files if path.name not in known]
    if sum(path.stat().st_size for path in files) > most:
        found.append("together they are too large")
    return found


def test_what_is_committed_is_as_registered():
    assert faults(read_records(), COMMITTED) == []


def test_what_is_published_is_as_registered(published, house):
    assert read_records() == (published.record,)
    assert faults(read_records(), house.clone) == []


def test_the_check_of_what_is_committed_can_fail(published, house, monkeypatch):
    records, path = read_records(), house.clone / published.record.file
    assert faults(records, house.clone, most=10) == ["together they are too large"]
    assert faults([], house.clone) == [f"{path.name} has no record"]
    monkeypatch.setattr(cards, "MAX_BYTES", 10)
    assert faults(records, house.clone) == [f"{path.name} is too large"]
    changed = dataclasses.replace(records[0], notes="only by hand")
    monkeypatch.undo()
    assert len(faults([changed], house.clone)) == 1
    path.write_bytes(b"other")
    assert faults(records, house.clone) == [f"{path.name} is not as registered"]
    path.unlink()
    assert faults(records, house.clone) == [f"{path.name} is missing"]


def test_a_card_holds_everything_its_record_does(published):
    text = card(published.record)
    for field in dataclasses.fields(published.record):
        value = getattr(published.record, field.name)
        if field.name in ("notes", "bytes"):
            continue
        leaves = (
            [value]
            if isinstance(value, str)
            else [*value, *map(cards._cell, value.values())]
        )
        for leaf in leaves:
            assert leaf in text, (field.name, leaf)
    assert 'keras_condattn.applications.TinyNet(weights="small")' in text
    assert f"{published.record.bytes:,} bytes" in text and text.endswith(".\n")


def test_publishing_again_replaces_and_is_deterministic(published, house, facts):
    files = sorted(p for p in house.clone.parent.rglob("*") if p.is_file())
    before = {p: p.read_bytes() for p in files}
    publish(published.model, facts)
    assert {p: p.read_bytes() for p in before} == before
    better = publish(published.model, dataclasses.replace(facts, metrics={"dice": 0.9}))
    second = dataclasses.replace(facts, architecture="ANet")
    publish(published.model, second)
    assert [r.architecture for r in read_records()] == ["ANet", "TinyNet"]
    assert read_records()[1] == better
    assert faults(read_records(), house.clone) == []
    assert len(list(house.clone.iterdir())) == 4


def test_the_optimizer_is_left_out(house, make_tiny, facts):
    model = make_tiny()
    model.compile("adam", "mse")
    bare = publish(model, facts).bytes
    model.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0)
    assert publish(model, facts).bytes == bare


def test_a_large_or_broken_model_is_refused_and_nothing_written(
    house, make_tiny, facts, monkeypatch
):
    model = make_tiny()
    with pytest.raises(ValueError, match="facts must be plain data"):
        publish(model, dataclasses.replace(facts, config={"layer": object()}))
    monkeypatch.setattr(cards, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="1,000 is the most"):
        publish(model, facts)
    model.layers[-1].bias.assign(keras.ops.ones(1) * float("nan"))
    with pytest.raises(ValueError, match="bias are not all finite"):
        publish(model, facts)
    assert not list(house.clone.iterdir()) and house.records.read_text() == "[]"
