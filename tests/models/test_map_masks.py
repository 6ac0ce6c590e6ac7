"""Maps become masks: fused, cut at a threshold, empty where nothing is predicted."""

import numpy as np
import pytest

from keras_condattn.metrics import volume_scores
from keras_condattn.models import choose_threshold, fuse_maps, maps_to_masks

ONE = np.array([[[-2.0, 1.0], [3.0, 5.0]]])
OTHER = np.array([[[0.0, 4.0], [0.0, 2.0]]])


def test_fused_maps_are_on_one_scale():
    scaled = np.array([[[0, 0.2], [0.6, 1]]]), np.array([[[0, 1], [0, 0.5]]])
    np.testing.assert_allclose(
        fuse_maps({"a": ONE, "b": OTHER}), np.mean(scaled, 0), atol=1e-6
    )
    np.testing.assert_allclose(
        fuse_maps([1e-12 * ONE, 1e-9 * OTHER]), np.mean(scaled, 0), atol=1e-6
    )
    assert not fuse_maps([-abs(ONE)]).any()
    np.testing.assert_allclose(
        fuse_maps([700 * ONE, OTHER], "max"), np.max(scaled, 0), atol=1e-6
    )
    np.testing.assert_allclose(
        fuse_maps([ONE, OTHER], normalise=False), (ONE + OTHER) / 2
    )


def test_maps_of_several_resolutions():
    coarse = np.arange(4.0).reshape((1, 2, 2))
    fused = fuse_maps(
        [coarse, np.zeros((1, 4, 6))], "max", normalise=False, size=(4, 6)
    )
    assert fused.shape == (1, 4, 6) and fused.max() == 3
    assert fuse_maps([coarse], size=[np.int64(4), 6]).shape == (1, 4, 6)
    assert (np.diff(fused[0], axis=1) >= 0).all() and fused[0, 0, 2] < fused[0, 0, 3]


def test_masks_are_empty_where_the_slice_is_negative():
    maps = np.stack([ONE[0], ONE[0]])
    masks = maps_to_masks(maps, 1.0, positive=[1, 0])
    assert masks.dtype == "uint8"
    np.testing.assert_array_equal(masks[0], [[0, 0], [1, 1]])
    assert not masks[1].any()
    assert maps_to_masks(maps, 1.0)[1].any()


def test_threshold_is_that_of_the_best_mean_dice(rng):
    truths = [(rng.random((3, 6, 6)) < share).astype(int) for share in (0.1, 0.4, 0.0)]
    maps = [0.4 * t + 0.6 * rng.random(t.shape) for t in truths]
    positive = [t.any((1, 2)) for t in truths]
    grid = (0.3, 0.5, 0.7)
    best, dice = choose_threshold(maps, truths, positive, thresholds=grid)
    expected = {}
    for threshold in grid:
        scores = [
            volume_scores(t, maps_to_masks(m, threshold, p), 1.0, classes=2,
                          empty="perfect")[1]["dice"]
            for m, t, p in zip(maps, truths, positive, strict=True)
        ]  # fmt: skip
        expected[threshold] = np.mean(scores)
    assert dice == pytest.approx(expected)
    assert best == max(expected, key=expected.get)


def test_a_patient_counts_once_however_large_its_lesion():
    large, small = np.ones((1, 10, 10)), np.zeros((1, 10, 10))
    small[0, 0, :3] = 1
    maps = [0.3 * large, np.where(small, 0.9, 0.6)]
    best, _ = choose_threshold(maps, [large, small], thresholds=(0.2, 0.7))
    # 0.2: 1 and 0.06; 0.7: 0 and 1; with all pixels pooled 0.2 would be far ahead.
    assert best == 0.2
    best, _ = choose_threshold(maps * 2, [large, small] * 2, thresholds=(0.7,))
    assert best == 0.7
    pooled = [np.concatenate([large, large, small])]
    together = [np.concatenate([0.3 * large, 0.3 * large, maps[1]])]
    assert choose_threshold(together, pooled, thresholds=(0.2, 0.7))[1][0.2] > 0.8


def test_of_equal_thresholds_the_lowest():
    assert choose_threshold([OTHER / 4], [OTHER > 0], thresholds=(0.4, 0.3))[0] == 0.3


@pytest.mark.parametrize(("call", "message"), [
    (lambda: fuse_maps({}), "at least one map"),
    (lambda: fuse_maps([ONE], "median"), "how must be one of"),
    (lambda: fuse_maps({"t1": ONE[0]}), r"maps\['t1'\] must be .*got shape \(2, 2\)"),
    (lambda: fuse_maps([ONE, ONE[:, :1]]), "maps must have one shape"),
    (lambda: fuse_maps([ONE * np.nan]), "finite"),
    (lambda: fuse_maps([ONE], size=(4, 0)), "size must be"),
    (lambda: fuse_maps([ONE], size=8), "size must be .* got 8"),
    (lambda: fuse_maps([ONE], size=(8.0, 8)), "size must be"),
    (lambda: fuse_maps([ONE], size="88"), "size must be"),
    (lambda: maps_to_masks(ONE, 0.5, [1, 0]), "positive must be 1 values"),
    (lambda: maps_to_masks(ONE, 0.5, [2]), "positive must be"),
    (lambda: maps_to_masks(ONE, float("nan")), "threshold must be"),
    (lambda: maps_to_masks(ONE, None), "threshold must be .* got None"),
    (lambda: maps_to_masks(ONE, [0.5]), "threshold must be"),
    (lambda: choose_threshold([], []), "at least one, got 0, 0"),
    (lambda: choose_threshold([ONE], [ONE, ONE]), "same patients"),
    (lambda: choose_threshold([ONE], [ONE]), r"masks\[0\] must hold 0 and 1"),
    (lambda: choose_threshold([ONE], [ONE[:, :1] > 0]), "shape of its maps"),
    (lambda: choose_threshold([ONE], [ONE > 0], thresholds=()), "thresholds"),
    (lambda: choose_threshold([ONE], [ONE > 0], thresholds=0.5), "thresholds .* 0.5"),
    (lambda: choose_threshold([ONE], [ONE > 0], thresholds="1"), "thresholds must be"),
])  # fmt: skip
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
