"""Types of the public signatures.

A tensor is `Any`: naming the real types would import three frameworks.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

Tensor: TypeAlias = Any
Shape: TypeAlias = Sequence[int | None]
DataFormat: TypeAlias = Literal["channels_last", "channels_first"]
