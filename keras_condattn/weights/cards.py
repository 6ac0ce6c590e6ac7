"""Model cards, and the one way weights enter the register."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_condattn.weights import registry
from keras_condattn.weights.loader import save_weights
from keras_condattn.weights.places import REPOSITORY, sha256_of
from keras_condattn.weights.records import WeightsFacts, WeightsRecord, plain

MAX_BYTES = 10_000_000


def card(record: WeightsRecord) -> str:
    """Writes the model card of a record.

    Args:
        record: the record; the card says nothing that is not in it.

    Returns:
        Markdown, ending in a newline.
    """
    call = f'keras_condattn.applications.{record.architecture}(weights="{record.name}")'
    digest = (
        f"`{record.file}`, {record.bytes:,} bytes, sha256\n`{record.sha256}`.\n"
        "Written by `keras_condattn.weights.publish`: change the record, not this card."
    )
    sections = {
        "Use": f"```python\nimport keras_condattn\n\nmodel = {call}\n```",
        "Trained on": record.dataset,
        "Protocol": record.protocol,
        "Measured": _table("metric", "value", record.metrics),
        "Configuration": _table("argument", "value", record.config),
        "Preprocessing": _table("step", "value", record.preprocessing),
        "Conditioning": record.conditioning or "None: it takes an image alone.",
        "Limits and notes": record.notes or "None known.",
        "Source": record.source,
        "Made by": f"```\n{record.command}\n```",
        "Licence": record.licence,
        "File": digest,
    }
    parts = [f"# {record.architecture} · {record.name}"]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _table(key: str, value: str, rows: Mapping[str, Any]) -> str:
    if not rows:
        return "None."
    cells = [(key, value), ("---", "---")]
    cells += [(name, _cell(content)) for name, content in rows.items()]
    return "\n".join(f"| {left} | {right} |" for left, right in cells)


def _cell(content: Any) -> str:
    text = content if isinstance(content, str) else repr(plain(content))
    return text.replace("|", "\\|").replace("\n", " ")


def card_name(record: WeightsRecord) -> str:
    """The file name of a record's card, beside its weights."""
    return record.file.removesuffix(".weights.h5") + ".md"


def publish(
    model: Any,
    facts: WeightsFacts,
    folder: Path | None = None,
    records: Path | None = None,
) -> WeightsRecord:
    """Saves a trained model's weights, writes their card and registers them.

    The same model and facts give the same bytes. Weights already registered
    under this name are replaced. The optimizer's state is left out.

    Args:
        model: the trained `keras.Model`.
        facts: what is known about it.
        folder: where the files go. None means `weights/` of the clone. Defaults
            to None.
        records: the register to write to. None means the package's own. Defaults
            to None.

    Returns:
        The record, as registered.

    Raises:
        ValueError: for weights that are not finite or a file over 10 MB; nothing
            is then written.
    """
    folder = folder or REPOSITORY / "weights"
    records = records or registry.RECORDS
    known = registry.read_records(records)
    _check_finite(model)
    file = f"{facts.architecture}.{facts.name}.weights.h5"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / file
        save_weights(model, path)
        record = _record(facts, path)
        os.replace(path, folder / file)
    _write(folder / card_name(record), card(record))
    _write(records, _as_json([record, *(r for r in known if r.file != file)]))
    return record


def _check_finite(model: Any) -> None:
    for variable in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
            raise ValueError(f"model: the values of {variable.path} are not all finite")


def _record(facts: WeightsFacts, path: Path) -> WeightsRecord:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"model: its weights make a file of {size:,} bytes; {MAX_BYTES:,} is the "
            "most that is kept in the repository"
        )
    try:  # as it will be read again: lists for tuples
        fields = json.loads(json.dumps(dataclasses.asdict(facts)))
    except TypeError as error:
        raise ValueError(f"facts must be plain data, as in JSON: {error}") from error
    return WeightsRecord(**fields, file=path.name, sha256=sha256_of(path), bytes=size)


def _as_json(records: list[WeightsRecord]) -> str:
    records.sort(key=lambda record: (record.architecture, record.name))
    rows = [dataclasses.asdict(record) for record in records]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    """Replaces a file in one step, so that nobody reads half of it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)
