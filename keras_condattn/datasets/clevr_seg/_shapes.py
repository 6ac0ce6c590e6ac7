"""Mitsuba's shapes: the ground, the lamps and the solids."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ._scene import CENTRE, Solid
from ._vocabulary import COLOURS

GROUND = 0.32
# The triangle is a pyramid on an equilateral base: circumradius and height.
PYRAMID = (1.2, 1.75)


def lamp(mi: Any, position: tuple[float, ...], half: float, radiance: float) -> Any:
    """A square lamp that faces the world's origin."""
    aim = mi.ScalarTransform4f().look_at(
        origin=list(position), target=[0, 0, 0], up=[0, 0, 1]
    )
    emitter = {"type": "area", "radiance": {"type": "rgb", "value": [radiance] * 3}}
    return mi.load_dict(
        {
            "type": "rectangle",
            "to_world": aim @ mi.ScalarTransform4f().scale([half, half, 1]),
            "emitter": emitter,
        }
    )


def ground(mi: Any) -> Any:
    """A matt grey plane, wide enough to have no visible edge."""
    return mi.load_dict(
        {
            "type": "rectangle",
            "to_world": mi.ScalarTransform4f().scale([60, 60, 1]),
            "bsdf": {
                "type": "diffuse",
                "reflectance": {"type": "rgb", "value": [GROUND] * 3},
            },
        }
    )


def solid_shape(mi: Any, index: int, solid: Solid) -> Any:
    """Solid number `index`, named `solid_<index>`."""
    plastic = _plastic(mi, solid.color)
    x, y, z = solid.centre
    place = mi.ScalarTransform4f().translate([x, y, z])
    turn = mi.ScalarTransform4f().rotate([0, 0, 1], solid.rotation)
    if solid.shape == "triangle":
        return _pyramid(mi, f"solid_{index}", solid, plastic)
    scale = solid.radius * CENTRE[solid.shape]
    return mi.load_dict(
        {
            "type": solid.shape,
            "id": f"solid_{index}",
            "to_world": place @ turn @ mi.ScalarTransform4f().scale(scale),
            "bsdf": plastic,
        }
    )


@functools.cache
def _plastic(mi: Any, colour: str) -> Any:
    """Kept: mitsuba integrates the coating anew, 50 ms, for each one it makes."""
    return mi.load_dict(
        {
            "type": "roughplastic",
            "alpha": 0.15,
            "diffuse_reflectance": {"type": "rgb", "value": _linear(colour)},
        }
    )


def _pyramid(mi: Any, name: str, solid: Solid, bsdf: Any) -> Any:
    circumradius, height = (solid.radius * value for value in PYRAMID)
    angles = np.radians(solid.rotation + np.array([0.0, 120.0, 240.0]))
    vertices = np.zeros((4, 3))
    vertices[:3, 0] = solid.centre[0] + circumradius * np.cos(angles)
    vertices[:3, 1] = solid.centre[1] + circumradius * np.sin(angles)
    vertices[3] = (solid.centre[0], solid.centre[1], height)
    properties = mi.Properties()
    properties["bsdf"] = bsdf
    mesh = mi.Mesh(name, 4, 4, props=properties)
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = vertices.ravel().astype(np.float32)
    faces = np.array([0, 2, 1, 0, 1, 3, 1, 2, 3, 2, 0, 3], np.uint32)
    parameters["faces"] = faces
    parameters.update()
    mesh.set_id(name)
    return mesh


def _linear(colour: str) -> list[float]:
    value = np.asarray(COLOURS[colour]) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return [float(channel) for channel in linear]
