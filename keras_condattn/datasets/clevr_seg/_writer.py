"""A rendered scene to the files of the published layout."""

from __future__ import annotations

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._scene import ImageSize, Scene
from ._vocabulary import BACKGROUND, OBJECT


def scene_name(index: int) -> str:
    """`CLEVR_000007`: the stem of every file of scene 7."""
    return f"CLEVR_{index:06d}"


def scene_file(root: Path, index: int) -> Path:
    """Written last, so that its presence means that the scene is complete."""
    return root / "scenes" / f"{scene_name(index)}.json"


def write_scene(
    root: Path,
    index: int,
    scene: Scene,
    image: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.bool_],
) -> None:
    """Writes image, masks, and then the scene's JSON."""
    name = scene_name(index)
    for k, mask in enumerate(masks):
        levels = np.where(mask, OBJECT, BACKGROUND).astype(np.uint8)
        path = root / "segmentations" / name / f"{name}_{k:02d}.png"
        write_file(path, _png(levels))
    write_file(root / "images" / f"{name}.png", _png(image))
    size = (image.shape[0], image.shape[1])
    text = json.dumps(_description(scene, index, size), indent=1)
    write_file(scene_file(root, index), text.encode())


def write_file(path: Path, content: bytes) -> None:
    """All of the content or nothing, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    partial.write_bytes(content)
    os.replace(partial, path)


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _description(scene: Scene, index: int, size: ImageSize) -> dict[str, Any]:
    return {
        "image_index": index,
        "image_filename": f"{scene_name(index)}.png",
        "camera": [round(value, 6) for value in scene.camera.origin],
        "objects": [
            {
                "shape": solid.shape,
                "size": solid.size,
                "color": solid.color,
                "rotation": round(solid.rotation, 6),
                "3d_coords": [round(value, 6) for value in solid.centre],
                "pixel_coords": _pixel(scene, solid.centre, size),
            }
            for solid in scene.solids
        ],
    }


def _pixel(
    scene: Scene, centre: tuple[float, float, float], size: ImageSize
) -> list[float]:
    """The pixel that holds the centre, and its depth. Rounding down keeps sides."""
    x, y, depth = scene.camera.project(np.asarray(centre), size)
    return [math.floor(x), math.floor(y), round(float(depth), 6)]
