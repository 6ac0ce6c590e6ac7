"""The register of trained weights: `records.json`, read strictly."""

import dataclasses
import difflib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from keras_condattn.weights.records import WeightsRecord

RECORDS = Path(__file__).parent / "records.json"
FIELDS = {field.name: field for field in dataclasses.fields(WeightsRecord)}


def read_records(path: Path | None = None) -> tuple[WeightsRecord, ...]:
    """Reads and checks every record.

    The file is small and read anew each time, so nobody can spoil a cached copy.

    Args:
        path: a JSON list of records. None means the package's own. Defaults to
            None.

    Returns:
        The records, in the file's order.

    Raises:
        ValueError: naming the file and the entry, for broken JSON, an unknown or
            missing key, a value of another kind, or a name or file used twice.
    """
    path = path or RECORDS
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list):
            raise ValueError(f"must be a list, got {type(rows).__name__}")
        records = tuple(_record(row, index) for index, row in enumerate(rows))
        _check_unique("name", [f"{r.architecture}/{r.name}" for r in records])
        _check_unique("file", [r.file.lower() for r in records])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return records


def _record(row: Any, index: int) -> WeightsRecord:
    if not isinstance(row, dict):
        raise ValueError(f"entry {index} must be an object, got {row!r}")
    needed = {name for name in FIELDS if name != "notes"}
    wrong = {
        "unknown": sorted(row.keys() - FIELDS.keys()),
        "missing": sorted(needed - row.keys()),
    }
    if any(wrong.values()):
        found = "; ".join(f"{what} keys {keys}" for what, keys in wrong.items() if keys)
        raise ValueError(f"entry {index} ({row.get('name')!r}): {found}")
    return WeightsRecord(**row)


def _check_unique(what: str, values: list[str]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"each {what} may stand once, these stand twice: {twice}")


def registered(architecture: str) -> dict[str, WeightsRecord]:
    """The records of one architecture by name.

    Args:
        architecture: name of the factory, such as `"InsideUNet"`.

    Returns:
        name -> record; empty where nothing is registered.
    """
    return {r.name: r for r in read_records() if r.architecture == architecture}


def find(architecture: str, name: str) -> WeightsRecord:
    """Finds the record of registered weights.

    Args:
        architecture: name of the factory, such as `"InsideUNet"`.
        name: name of the weights.

    Returns:
        The record.

    Raises:
        ValueError: for a name that is not registered for this architecture,
            listing those that are and the close ones first.
    """
    known = registered(architecture)
    if name not in known:
        raise ValueError(_unknown(architecture, name, sorted(known)))
    return known[name]


def _unknown(architecture: str, name: str, known: list[str]) -> str:
    elsewhere = [r.architecture for r in read_records() if r.name == name]
    close = difflib.get_close_matches(name, known)
    sentences = [
        f"weights={name!r} is not registered for {architecture}",
        f"It is for {', '.join(elsewhere)}" if elsewhere else "",
        f"Did you mean {' or '.join(map(repr, close))}?" if close else "",
        f"Registered: {', '.join(map(repr, known)) or 'none yet'}",
        "A path to an existing .weights.h5 or .keras file would do too",
        "For no weights pass None, not a text" if name.lower() == "none" else "",
    ]
    return ". ".join(filter(None, sentences)).replace("?.", "?")
