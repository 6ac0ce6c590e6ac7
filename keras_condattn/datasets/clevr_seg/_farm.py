"""`render`: a whole data set, and taking up where the last call stopped."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ._processes import work
from ._writer import scene_file, write_file

SETTINGS_FILE = "render.json"
SMALLEST, LONGEST_RATIO = 24, 2.0


def render(
    root: str | os.PathLike[str],
    scenes: int = 4000,
    size: int | tuple[int, int] = 200,
    seed: int = 42,
    workers: int | None = None,
    progress: bool = True,
    samples: int = 6,
) -> Path:
    """Renders CLEVR-Seg scenes of our own, in the published layout.

    3 to 10 solids (cube, sphere, triangle: a three-sided pyramid) of three sizes
    and three colours stand on a grey plane under three lamps. Their centres are
    uniform over the image, nearest neighbours keep a gap, and at least half of
    every one is seen. Masks are exact: one ray through the centre of each pixel.

    Writes `images/<name>.png` (RGB), `scenes/<name>.json`, and one
    `segmentations/<name>/*.png` for each object, 64 outside it and 255 on it.
    A scene depends on `seed`, `size`, `samples` and its own number alone, so the
    bytes are the same for any number of workers, and a second call renders only
    what is missing. About 0.45 s a scene of 200 pixels on one core, 0.11 s at 96.

    Args:
        root: a folder, made if missing.
        scenes: how many, 1 to 1,000,000; a larger number later adds to the folder.
            Defaults to 4000.
        size: side of the image in pixels, or (height, width); at least 24, and at
            most 2:1. Defaults to 200.
        seed: a whole number, 0 or more. Defaults to 42.
        workers: processes; None means one a core. Defaults to None.
        progress: show a progress bar, on stderr. Defaults to True.
        samples: rays a pixel for each of the three lamps; fewer are faster and
            noisier. Defaults to 6.

    Returns:
        `root`, as a `pathlib.Path`.

    Raises:
        ValueError: an argument is out of range, or `root` holds scenes of other
            settings, or scenes that were not rendered by this function.
        ImportError: mitsuba, Pillow or tqdm is missing.
        RuntimeError: a worker failed; the message ends with what it said.

    Example:
    ```python
    from keras_condattn.datasets import clevr_seg

    root = clevr_seg.render("outputs/clevr", scenes=4, size=32, samples=1)
    print(len(clevr_seg.load(root)))
    ```

    Reference: the attributes are those of CLEVR-Seg in Jacenków et al., INSIDE
    (MICCAI 2020, arXiv:2008.10418), whose generator was not released. Ours differs
    in that the camera looks down more steeply and objects are spread over the whole
    image, so that all four quadrants are used.
    """
    root = Path(root).expanduser()
    settings = _settings(scenes, size, seed, workers, samples)
    _require("mitsuba", "PIL", *(["tqdm"] if progress else []))
    _claim(root, settings)
    todo = deque(k for k in range(scenes) if not scene_file(root, k).exists())
    config = json.dumps({**settings, "root": str(root)})
    if todo:
        with _bar(scenes, len(todo), progress) as done:
            work(config, todo, min(workers or _cores(), len(todo)), done)
    return root


def _settings(
    scenes: int,
    size: int | tuple[int, int],
    seed: int,
    workers: int | None,
    samples: int,
) -> dict[str, Any]:
    """What the bytes depend on, checked."""
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    whole = len(sides) == 2 and all(type(side) is int for side in sides)
    if not whole or min(sides) < SMALLEST or max(sides) > LONGEST_RATIO * min(sides):
        raise ValueError(
            f"size must be a side or (height, width), whole numbers of at least "
            f"{SMALLEST} and at most {LONGEST_RATIO:g}:1; got {size!r}"
        )
    for name, value, low, high in (
        ("scenes", scenes, 1, 10**6),
        ("seed", seed, 0, 2**63),
        ("workers", 1 if workers is None else workers, 1, 10**4),
        ("samples", samples, 1, 10**4),
    ):
        if type(value) is not int or not low <= value <= high:
            raise ValueError(
                f"{name} must be a whole number from {low} to {high}; got {value!r}"
            )
    return {"seed": seed, "size": list(sides), "samples": samples}


def _cores() -> int:
    """Those that this process may use, where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _require(*modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Rendering CLEVR-Seg needs {', '.join(missing)}: "
            "pip install 'keras-condattn[clevr]'"
        )


def _claim(root: Path, settings: dict[str, Any]) -> None:
    """Marks the folder as holding scenes of these settings, or refuses it."""
    path = root / SETTINGS_FILE
    if path.exists():
        try:
            found = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error}); delete {root}") from error
        if found != settings:
            raise ValueError(
                f"root {str(root)!r} holds scenes rendered with {found}, and this "
                f"call asks for {settings}; choose another root"
            )
    elif any((root / "scenes").glob("*.json")):
        raise ValueError(
            f"root {str(root)!r} holds scenes that clevr_seg.render did not make (no "
            f"{SETTINGS_FILE}); choose another root"
        )
    else:
        write_file(path, json.dumps(settings).encode())


@contextlib.contextmanager
def _bar(total: int, todo: int, progress: bool) -> Iterator[Callable[[], object]]:
    """What to call when a scene is done."""
    if not progress:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=total - todo, unit="scene", desc="CLEVR-Seg") as bar:
        yield bar.update
