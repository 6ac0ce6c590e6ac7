"""A process that renders the scenes whose numbers it is sent.

Run as a script, not imported through the package: `import keras_condattn` loads
Keras and a framework (five seconds, half a gigabyte), of which it needs nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types
from pathlib import Path


def main(config: str) -> None:
    """Reads indices from stdin, one a line; answers each when it is on disk."""
    # Mitsuba logs to stdout, which is the answer channel: move that away first.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    renderer, writer = (_sibling(name) for name in ("_renderer", "_writer"))
    settings = json.loads(config)
    size = tuple(settings["size"])
    for line in sys.stdin:
        index = int(line)
        scene, image, masks = renderer.render_scene(
            settings["seed"], index, size, settings["samples"]
        )
        writer.write_scene(Path(settings["root"]), index, scene, image, masks)
        answers.write(f"{index}\n".encode())


def _sibling(name: str) -> types.ModuleType:
    """A module of this folder, as part of a bare package instead of ours."""
    bare = types.ModuleType("clevr_seg_worker")
    bare.__path__ = [str(Path(__file__).parent)]
    sys.modules.setdefault(bare.__name__, bare)
    return importlib.import_module(f"{bare.__name__}.{name}")


if __name__ == "__main__":
    main(sys.argv[1])
