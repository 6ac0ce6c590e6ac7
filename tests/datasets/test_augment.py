"""Augmentation: what it draws, and that label and image move as one."""

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
pytest.importorskip("scipy", reason="scipy, the extra 'medical', is not installed")
from acdc_layout import write_many, write_patient

from keras_condattn._frame import Pose
from keras_condattn.datasets import Augmentation, acdc

pytestmark = pytest.mark.pure
STILL = {"rotation": 0, "zoom": 1, "shift": 0}
SAME = {"gamma": 1, "contrast": 1, "brightness": 0, "noise": 0}


def images(source):
    return np.stack([source[i]["image"] for i in range(len(source))])


def test_an_epoch_is_drawn_from_seed_epoch_and_item(tmp_path):
    write_many(tmp_path, 2)
    arguments = {"augment": True, "size": 8}
    first, again = (acdc.load(tmp_path, **arguments) for _ in range(2))
    backwards = np.stack([again[i]["image"] for i in reversed(range(16))])[::-1]
    np.testing.assert_array_equal(images(first), backwards)
    zero = images(first)
    first.set_epoch(1)
    assert all(
        np.abs(a - b).max() > 1 for a, b in zip(zero, images(first), strict=True)
    )
    first.set_epoch(0)
    np.testing.assert_array_equal(images(first), zero)
    other = images(acdc.load(tmp_path, seed=43, **arguments))
    assert not np.isclose(other, zero).all((1, 2, 3)).any()


def test_an_item_is_the_same_in_any_subset(tmp_path):
    write_many(tmp_path, 5)
    arguments = {"augment": True, "size": 8}
    everyone = {i["id"]: i for i in acdc.load(tmp_path, **arguments)}
    part = acdc.load(tmp_path, share=0.4, phases=["ES"], **arguments)
    assert 0 < len(part) < len(everyone)
    for item in part:
        np.testing.assert_array_equal(item["image"], everyone[item["id"]]["image"])
        np.testing.assert_array_equal(item["label"], everyone[item["id"]]["label"])


def test_label_scribble_and_image_move_as_one(tmp_path):
    y, x = np.indices((40, 44))
    blob = (((y - 15) / 9) ** 2 + ((x - 26) / 6) ** 2 <= 1).astype("uint8")
    hearts = [
        (np.stack([blob * 100] * 6).astype("uint16"), *[np.stack([blob] * 6)] * 2)
    ]
    write_patient(tmp_path, 1, hearts=hearts * 2)
    moving = Augmentation(**SAME, rotation=40, zoom=1.4, shift=8, turn=0.5)
    still = acdc.load(tmp_path, size=40)[0]["label"]
    source = acdc.load(tmp_path, size=40, augment=moving, scribbles=True)
    differ = []
    for item in source:
        bright = item["image"][..., 0] > 50
        assert (bright != (item["label"] == 1)).mean() < 0.01
        known = item["scribble"] != 4  # beyond the image nothing is known
        np.testing.assert_array_equal(item["scribble"][known], item["label"][known])
        assert not known.all()
        differ.append((item["label"] != still).mean())
    assert min(differ) > 0.01 and np.ptp(differ) > 0.01


def test_nothing_drawn_changes_nothing(tmp_path):
    write_many(tmp_path, 1)
    none = Augmentation(**STILL, **SAME)
    arguments = {"size": 9, "spacing": 1.1, "normalise": "zscore"}
    plain = images(acdc.load(tmp_path, **arguments))
    found = images(acdc.load(tmp_path, augment=none, **arguments))
    # Padding and prefilter too: a slice alone is treated as in its volume.
    np.testing.assert_allclose(found, plain, atol=1e-5)


def test_poses_fill_their_range_and_do_not_leave_it(rng):
    augmentation = Augmentation(rotation=20, zoom=1.5, shift=6)
    poses = [augmentation.pose(rng) for _ in range(400)]
    angles = np.degrees([p.angle for p in poses])
    scales, shifts = (
        np.array([p.scale for p in poses]),
        np.array([p.shift for p in poses]),
    )
    for values, most in ((angles, 20), (np.log(scales), math.log(1.5)), (shifts, 6)):
        assert 0.95 * most < np.abs(values).max() <= most
        assert np.abs(values.mean(0)).max() < 0.15 * most
    assert not any(p.mirror for p in poses)


def test_turn_draws_the_symmetries_of_the_square(rng):
    poses = [Augmentation(**STILL, turn=1).pose(rng) for _ in range(200)]
    seen = {(round(p.angle / (math.pi / 2)), p.mirror) for p in poses}
    assert seen == set(itertools.product(range(4), (False, True)))
    half = [Augmentation(**STILL, turn=0.5).pose(rng) == Pose() for _ in range(400)]
    assert 0.5 < np.mean(half) < 0.63  # one in eight turns is none


def test_levels_are_what_the_formula_says(rng):
    image = rng.random((6, 7), "float32") * 40 - 10
    np.testing.assert_allclose(
        Augmentation(**SAME).levels(image, rng), image, atol=1e-4
    )
    unit = (image - image.min()) / np.ptp(image)
    middling = (unit > 0.1) & (unit < 0.9)
    for _ in range(20):
        gamma = Augmentation(**SAME | {"gamma": 2}).levels(image, rng)
        power = np.log(((gamma - image.min()) / np.ptp(image))[middling])
        power /= np.log(unit[middling])
        np.testing.assert_allclose(power, power[0], rtol=1e-2)
        assert 0.49 < power[0] < 2.01
        straight = Augmentation(**SAME | {"contrast": 1.5, "brightness": 2})
        factor, offset = np.polyfit(
            image.ravel(), straight.levels(image, rng).ravel(), 1
        )
        assert 1 / 1.51 < factor < 1.51 and abs(offset) < 2.01
    noisy = Augmentation(**SAME | {"noise": 5})
    spread = [(noisy.levels(image, rng) - image).std() for _ in range(50)]
    assert max(spread) < 7 and max(spread) > 2 * min(spread)
    blurred = Augmentation(**SAME, blur=2)
    kept = [blurred.levels(image, rng).std() / image.std() for _ in range(40)]
    assert 8 <= sum(k > 0.999 for k in kept) <= 32 and min(kept) < 0.5


def test_an_image_of_one_grey_level_stays_finite(rng):
    flat = np.full((4, 4), 3, "float32")
    assert np.isfinite(Augmentation().levels(flat, rng)).all()


@pytest.mark.parametrize(
    "arguments",
    [{"zoom": 0.9}, {"gamma": 0}, {"contrast": 0.5}, {"turn": 1.1}, {"noise": -0.1},
     {"rotation": math.nan}, {"shift": math.inf}, {"blur": "2"}],
    ids=str,
)  # fmt: skip
def test_arguments_out_of_range_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} must be a number from"):
        Augmentation(**arguments)
