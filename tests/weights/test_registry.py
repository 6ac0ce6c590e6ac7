"""Records and their register: read strictly, found by name, listed as a table."""

import json

import pytest

from keras_condattn.weights import find, list_weights, read_records


def write(house, *rows):
    house.records.write_text(json.dumps(rows))


def test_a_valid_row_becomes_a_frozen_record(house, row):
    write(house, row)
    record = find("TinyNet", "small")
    assert record.metrics["dice"] == 0.5 and record.notes == ""
    with pytest.raises(AttributeError):
        record.name = "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 63}, "sha256 must be 64 hexadecimal"),
        ({"sha256": "A" * 64}, "sha256 must be 64 hexadecimal"),
        ({"file": "../small.weights.h5"}, "file must be a bare file name"),
        ({"file": "a\\b.weights.h5"}, "file must be a bare file name"),
        ({"file": "small.h5"}, "file must be a bare file name"),
        ({"bytes": 0}, "bytes must be the size"),
        ({"bytes": True}, "bytes must be a whole number"),
        ({"name": "a/b"}, "name must be letters"),
        ({"name": "None"}, "name must be letters"),
        ({"architecture": "Tiny Net"}, "architecture must be an identifier"),
        ({"dataset": ""}, "dataset must be a text"),
        ({"licence": 3}, "licence must be a text"),
        ({"metrics": [0.5]}, "metrics must be a mapping"),
        ({"metrics": {}}, "metrics must be something measured"),
        ({"metrics": {"dice": float("nan")}}, "metrics.*finite number or a text"),
        ({"metrics": {"dice": [0.5]}}, "metrics.*finite number or a text"),
        ({"config": {"weights": "x"}}, "config must be without weights"),
        ({"config": {"input_shape": [0, 3]}}, "input_shape.*channels-last sizes"),
        ({"config": {"input_shape": "96"}}, "input_shape.*channels-last sizes"),
        ({"colour": "red"}, r"entry 0 \('small'\): unknown keys \['colour'\]"),
    ],
)
def test_a_bad_field_is_refused_by_name(house, row, change, message):
    write(house, row | change)
    with pytest.raises(ValueError, match=message) as caught:
        read_records()
    assert "records.json" in str(caught.value)


def test_a_missing_key_is_named(house, row):
    del row["licence"], row["sha256"]
    write(house, row)
    with pytest.raises(ValueError, match=r"missing keys \['licence', 'sha256'\]"):
        read_records()


@pytest.mark.parametrize("text", ["{", "{}", "[3]"])
def test_a_broken_register_is_refused(house, text):
    house.records.write_text(text)
    with pytest.raises(ValueError, match=r"records\.json: "):
        read_records()


def test_names_are_unique_within_an_architecture_and_files_everywhere(house, row):
    other = row | {"architecture": "OtherNet", "file": "OtherNet.small.weights.h5"}
    write(house, row, other)
    assert [r.architecture for r in read_records()] == ["TinyNet", "OtherNet"]
    write(house, row, row | {"file": "second.weights.h5"})
    with pytest.raises(ValueError, match=r"name may stand once.*TinyNet/small"):
        read_records()
    write(
        house,
        row,
        other | {"file": row["file"].upper().replace(".WEIGHTS.H5", ".weights.h5")},
    )
    with pytest.raises(ValueError, match="file may stand once"):
        read_records()


def test_a_wrong_name_lists_the_right_ones_and_the_closest(house, row):
    second = row | {"name": "large", "file": "large.weights.h5"}
    write(house, row, second)
    with pytest.raises(
        ValueError, match="'smal' is not registered for TinyNet"
    ) as caught:
        find("TinyNet", "smal")
    message = str(caught.value)
    assert "Did you mean 'small'? Registered: 'large', 'small'. A path" in message
    with pytest.raises(ValueError, match=r"It is for TinyNet\. Registered: none yet"):
        find("OtherNet", "small")
    with pytest.raises(ValueError, match="pass None, not a text"):
        find("TinyNet", "None")


def test_the_list_prints_as_a_table_and_is_a_tuple_of_records(house, row):
    assert repr(list_weights()) == "no weights are registered"
    other = row | {"architecture": "ANet", "file": "a.weights.h5", "dataset": "x" * 99}
    write(house, row, other)
    table = list_weights()
    assert [r.architecture for r in table] == ["ANet", "TinyNet"]
    lines = repr(table).splitlines()
    assert lines[0].split("  ")[0] == "architecture" and len(lines) == 4
    assert "x" * 47 + "…" in lines[2] and "dice 0.5" in lines[3]
    assert {line.find("small") for line in lines[2:]} == {14}
    assert len(list_weights("TinyNet")) == 1 and len(list_weights("NoNet")) == 0


def test_the_committed_register_is_valid_and_names_real_factories():
    records = read_records()
    if records:
        from keras_condattn import applications
    for record in records:
        assert callable(getattr(applications, record.architecture))
