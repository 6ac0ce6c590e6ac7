"""`list_weights`: the register as a table one can read in a notebook."""

from collections.abc import Iterable, Sequence

from keras_condattn._export import export
from keras_condattn.weights.records import WeightsRecord
from keras_condattn.weights.registry import read_records


class WeightsTable(tuple[WeightsRecord, ...]):
    """A tuple of records that prints as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        header = ("architecture", "weights", "data set", "measured", "size")
        if not self:
            return "no weights are registered"
        rows = [header, *(_row(record) for record in self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, tuple("-" * width for width in widths))
        return "\n".join(_line(row, widths) for row in rows)


def _row(record: WeightsRecord) -> tuple[str, ...]:
    metrics = ", ".join(f"{key} {value}" for key, value in record.metrics.items())
    size = f"{record.bytes / 1e6:.1f} MB"
    cells = (record.architecture, record.name, record.dataset, metrics, size)
    return tuple(_shortened(cell) for cell in cells)


def _shortened(cell: str, width: int = 48) -> str:
    cell = " ".join(cell.split())
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


def _line(row: Iterable[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


@export
def list_weights(architecture: str | None = None) -> WeightsTable:
    """Lists the trained weights there are.

    Args:
        architecture: name of a factory in `keras_condattn.applications`. None
            lists the weights of all. Defaults to None.

    Returns:
        A tuple of records (`name`, `architecture`, `dataset`, `metrics`,
        `licence`, `config`, ...), sorted, that prints as a table.

    Raises:
        ValueError: for a register that is damaged.

    Example:

    >>> keras_condattn.list_weights("NoSuchNetwork")
    no weights are registered
    """
    records = sorted(read_records(), key=lambda r: (r.architecture, r.name))
    return WeightsTable(r for r in records if architecture in (None, r.architecture))
