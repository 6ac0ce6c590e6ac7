"""What networks there are."""

import inspect
import sys

from keras_condattn._export import export


class ModelTable(tuple[str, ...]):
    """Names of the networks, which print as a table."""

    def __repr__(self) -> str:
        room = sys.modules["keras_condattn.applications"]
        width = max(map(len, self), default=0)
        lines = []
        for name in self:
            text = inspect.getdoc(getattr(room, name)) or ""
            lines.append(f"{name:{width}}  {text.splitlines()[0]}")
        return "\n".join(lines)


@export
def list_models() -> ModelTable:
    """The networks of `keras_condattn.applications`, by name.

    Returns:
        A tuple of names that prints as a table with a line on each.

    Example:

    >>> "InsideUNet" in keras_condattn.list_models()
    True
    """
    room = vars(sys.modules["keras_condattn.applications"])
    return ModelTable(sorted(n for n in room if n[0].isupper()))
