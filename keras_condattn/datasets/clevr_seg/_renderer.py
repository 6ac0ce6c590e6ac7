"""A scene to pixels and exact masks, by mitsuba on one core."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._scene import (
    FIELD_OF_VIEW,
    OBJECTS,
    SILHOUETTE,
    ImageSize,
    Scene,
    focal,
    random_scene,
)
from ._shapes import ground, lamp, solid_shape

Pixels = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]

ATTEMPTS = 500
MINIMUM_VISIBLE = 0.5
# Half side and radiance of the key, fill and back lights.
LAMPS = ((0.9, 78.0), (1.3, 15.0), (0.9, 30.0))


def start_mitsuba() -> Any:
    """Mitsuba in its scalar variant, on one thread."""
    try:
        import drjit
        import mitsuba
    except ImportError as error:
        raise ImportError(
            "Rendering CLEVR-Seg needs mitsuba: pip install 'keras-condattn[clevr]'"
        ) from error
    drjit.set_thread_count(1)
    mitsuba.set_variant("scalar_rgb")
    return mitsuba


def render_scene(
    seed: int, index: int, size: ImageSize, samples: int
) -> tuple[Scene, Pixels, Masks]:
    """The `index`-th scene of a seed, whatever was rendered before it.

    Returns:
        The scene, its image (H, W, 3) and its masks (objects, H, W).
    """
    mi = start_mitsuba()
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    low, high = OBJECTS
    count = low + int(rng.random() * (high - low + 1))
    for _ in range(ATTEMPTS):
        scene = random_scene(rng, size, count)
        solids = [solid_shape(mi, k, solid) for k, solid in enumerate(scene.solids)]
        masks = _masks(mi, scene, solids, size)
        if _all_visible(scene, masks, size):
            seeds = [int(rng.random() * 2**31) for _ in LAMPS]
            return scene, _image(mi, scene, solids, size, samples, seeds), masks
    raise RuntimeError(
        f"No arrangement of {count} objects in {size[0]}x{size[1]} pixels shows every "
        f"one of them (scene {index} of seed {seed}); a larger or squarer size would."
    )


def _masks(mi: Any, scene: Scene, solids: list[Any], size: ImageSize) -> Masks:
    """One ray through each pixel's centre: whole pixels, no reconstruction blur."""
    world = mi.load_dict({"type": "scene", **_named(solids)})
    sensor = _sensor(
        mi, scene, size, "box", {"type": "stratified", "jitter": False}, samples=1
    )
    integrator = mi.load_dict({"type": "aov", "aovs": "object:shape_index"})
    hit = np.asarray(mi.render(world, sensor=sensor, integrator=integrator, spp=1))
    # Counted from 1 in an order of mitsuba's choosing; 0 is a miss.
    order = [shape.id() for shape in world.shapes()]
    hit = np.rint(hit.reshape(size)).astype(int)
    return np.stack([hit == 1 + order.index(s.id()) for s in solids])


def _image(
    mi: Any,
    scene: Scene,
    solids: list[Any],
    size: ImageSize,
    samples: int,
    seeds: list[int],
) -> Pixels:
    """One pass per lamp, added up: choosing lamps at random is most of the noise."""
    light = np.zeros((*size, 3))
    integrator = mi.load_dict(
        {
            "type": "direct",
            "emitter_samples": 1,
            "bsdf_samples": 0,
            "hide_emitters": True,
        }
    )
    sensor = _sensor(mi, scene, size, "gaussian", {"type": "multijitter"}, samples)
    shapes = {"ground": ground(mi), **_named(solids)}
    for position, (half, radiance), seed in zip(
        scene.lights, LAMPS, seeds, strict=True
    ):
        shapes["lamp"] = lamp(mi, position, half, radiance)
        world = mi.load_dict({"type": "scene", **shapes})
        light += np.asarray(
            mi.render(
                world, sensor=sensor, integrator=integrator, seed=seed, spp=samples
            )
        )
    return _to_srgb(light)


def _all_visible(scene: Scene, masks: Masks, size: ImageSize) -> bool:
    """Whether at least half of every solid's silhouette is seen."""
    for solid, mask in zip(scene.solids, masks, strict=True):
        depth = scene.camera.project(np.asarray(solid.centre), size)[2]
        radius = solid.radius * focal(size) / depth
        expected = SILHOUETTE[solid.shape] * radius**2
        if mask.sum() < max(1.0, MINIMUM_VISIBLE * expected):
            return False
    return True


def _named(solids: list[Any]) -> dict[str, Any]:
    return {solid.id(): solid for solid in solids}


def _sensor(
    mi: Any,
    scene: Scene,
    size: ImageSize,
    rfilter: str,
    sampler: dict[str, Any],
    samples: int,
) -> Any:
    height, width = size
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": FIELD_OF_VIEW,
            "fov_axis": "smaller",
            "to_world": mi.ScalarTransform4f().look_at(
                origin=list(scene.camera.origin), target=[0, 0, 0], up=[0, 0, 1]
            ),
            "film": {
                "type": "hdrfilm",
                "width": width,
                "height": height,
                "pixel_format": "rgb",
                "rfilter": {"type": rfilter},
            },
            "sampler": {**sampler, "sample_count": samples},
        }
    )


def _to_srgb(linear: npt.NDArray[np.float64]) -> Pixels:
    value = np.clip(linear, 0, 1)
    curve = 1.055 * value ** (1 / 2.4) - 0.055
    value = np.where(value <= 0.0031308, 12.92 * value, curve)
    return np.rint(255 * value).astype(np.uint8)
