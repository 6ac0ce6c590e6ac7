"""The fourteen findings, in the order of ACM's released classifier."""

import difflib
from collections.abc import Iterable

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule",
    "Pneumonia", "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis",
    "Pleural_Thickening", "Hernia",
)  # fmt: skip

NONE = "No Finding"

# BBox_List_2017.csv says Infiltrate, and some copies of the table write a space.
_ALIASES = {"Infiltrate": "Infiltration", "Pleural Thickening": "Pleural_Thickening"}


def index_of(name: str) -> int:
    """The place of a finding in `FINDINGS`.

    Raises:
        ValueError: for a name that is none of them; names the nearest.
    """
    name = _ALIASES.get(name.strip(), name.strip())
    if name in FINDINGS:
        return FINDINGS.index(name)
    near = difflib.get_close_matches(name, FINDINGS, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"unknown finding {name!r}{hint}; known are {', '.join(FINDINGS)}")


def indices_of(names: Iterable[str]) -> frozenset[int]:
    """The places of several; `"No Finding"` alone is none of them."""
    names = [name for name in names if name.strip() != NONE]
    return frozenset(index_of(name) for name in names)
