"""Reads the tables: which finding on which image of which patient, and boxes."""

import csv
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from keras_condattn.datasets.chest_xray14._findings import (
    FINDINGS,
    index_of,
    indices_of,
)

Row = dict[str, str]
Boxes = NDArray[np.float64]

NAME, PATIENT, LISTED, FOLD = "Image Index", "Patient ID", "Finding Labels", "fold"
BOX_FINDING = "Finding Label"
# In the published file the heading "Bbox [x,y,w,h]" falls apart at its commas.
BOX_COLUMNS = ("Bbox [x", "y", "w", "h]")
# The published images, and the pixels of the boxes, are 1024 x 1024.
PUBLISHED_SIDE = 1024


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the table of labels.

    Attributes:
        name: of the image file.
        patient: number of the patient, as text.
        findings: places in `FINDINGS`.
        fold: what the column says, or "".
        view: `"PA"` or `"AP"`, or "" where the table does not say; likewise
        sex, age, follow_up: as in the file.
    """

    name: str
    patient: str
    findings: frozenset[int]
    fold: str = ""
    view: str = ""
    sex: str = ""
    age: str = ""
    follow_up: str = ""


def read_entries(path: pathlib.Path) -> tuple[list[Entry], dict[str, str]]:
    """The rows of `Data_Entry_2017.csv`, of its later version, or `nih_labels.csv`.

    Returns:
        The entries in the order of their names; and what is wrong with others, by
        name.

    Raises:
        ValueError: for a file that is no such table.
    """
    entries: dict[str, Entry] = {}
    problems: dict[str, str] = {}
    for line, row in _rows(path, (NAME, PATIENT)):
        name = row[NAME] or f"line {line} of {path.name}"
        try:
            entry = _entry(row, path)
            if name in entries:
                raise ValueError(f"a second time in {path.name}")
            entries[name] = entry
        except _ColumnError as error:
            raise ValueError(str(error)) from None
        except ValueError as error:
            problems[name] = f"line {line} of {path.name}: {error}"
    if not entries and not problems:
        raise ValueError(f"{path}: no rows below the heading")
    kept = (entry for name, entry in sorted(entries.items()) if name not in problems)
    return list(kept), problems


class _ColumnError(ValueError):
    """A table of the wrong kind, rather than a row."""


def _entry(row: Row, path: pathlib.Path) -> Entry:
    if not row[NAME] or not row[PATIENT]:
        raise ValueError(f"{NAME!r} or {PATIENT!r} is empty")
    if LISTED in row:
        if not row[LISTED]:
            raise ValueError(f"{LISTED!r} is empty")
        findings = indices_of(row[LISTED].split("|"))
    else:
        findings = _from_columns(row, path)
    return Entry(
        row[NAME], _number(row[PATIENT]), findings, row.get(FOLD, ""),
        row.get("View Position", ""),
        row.get("Patient Gender", "") or row.get("Patient Sex", ""),
        row.get("Patient Age", ""), row.get("Follow-up #", ""),
    )  # fmt: skip


def _from_columns(row: Row, path: pathlib.Path) -> frozenset[int]:
    """Of `nih_labels.csv`: a column of 0 and 1 for each finding."""
    missing = [finding for finding in FINDINGS if finding not in row]
    if missing:
        raise _ColumnError(
            f"{path}: neither a column {LISTED!r} nor one for each finding (without "
            f"{', '.join(missing)}); it has {', '.join(row)}"
        )
    found = set()
    for place, finding in enumerate(FINDINGS):
        try:
            value = float(row[finding])
        except ValueError:
            value = -1.0
        if value not in (0, 1):
            raise ValueError(f"{finding} must be 0 or 1, got {row[finding]!r}")
        if value:
            found.add(place)
    return frozenset(found)


def _number(text: str) -> str:
    """1, 00000001 and 1.0 are one patient."""
    whole = text.removesuffix(".0")
    return str(int(whole)) if whole.isdecimal() else text


def read_boxes(path: pathlib.Path) -> dict[str, Boxes]:
    """`BBox_List_2017.csv`: for each image (n, 5), class and x, y, w, h in [0, 1].

    Raises:
        ValueError: naming every row that is none, with its line.
    """
    found: dict[str, list[list[float]]] = {}
    problems = []
    for line, row in _rows(path, (NAME, BOX_FINDING, *BOX_COLUMNS)):
        try:
            box = [float(row[column]) / PUBLISHED_SIDE for column in BOX_COLUMNS]
            if not np.isfinite(box).all() or min(box[:2]) < 0 or min(box[2:]) <= 0:
                raise ValueError(f"no box: {[row[column] for column in BOX_COLUMNS]}")
            rows = found.setdefault(row[NAME], [])
            rows.append([float(index_of(row[BOX_FINDING])), *box])
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise ValueError(f"{path}: " + "; ".join(problems))
    return {name: np.array(rows) for name, rows in found.items()}


def read_names(path: pathlib.Path) -> frozenset[str]:
    """An official list: a file name a line."""
    return frozenset(line.strip() for line in _text(path).splitlines() if line.strip())


def _rows(path: pathlib.Path, needed: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """The rows as dicts, with their line numbers, cells without blanks around."""
    reader = csv.reader(_text(path).splitlines(), strict=True)
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        missing = [column for column in needed if column not in heading]
        if missing:
            raise ValueError(
                f"{path}: without the column {', '.join(map(repr, missing))}; it has "
                f"{', '.join(map(repr, filter(None, heading))) or 'none'}"
            )
        for cells in reader:
            if any(cell.strip() for cell in cells):
                # A row cut short has empty cells, which its reader then refuses.
                full = cells + [""] * (len(heading) - len(cells))
                pairs = zip(heading, full, strict=False)
                yield reader.line_num, {k: v.strip() for k, v in pairs if k}
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}") from error


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error})") from error
