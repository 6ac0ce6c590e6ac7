"""The words of CLEVR-Seg, in the order that their one-hot codes use."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "alizarin": (231, 76, 60),
    "nephritis": (39, 174, 96),
    "orange": (243, 156, 18),
}
SHAPES = ("cube", "sphere", "triangle")
SIZES: dict[str, float] = {"small": 0.35, "medium": 0.56, "large": 0.85}
QUADRANTS = ("top_left", "top_right", "bottom_right", "bottom_left")

CONDITIONS: dict[str, tuple[str, ...]] = {
    "quadrant": QUADRANTS,
    "color": tuple(COLOURS),
    "shape": SHAPES,
    "size": tuple(SIZES),
}

BACKGROUND, OBJECT = 64, 255
