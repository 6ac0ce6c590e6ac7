"""Who trains, who validates, who tests: whole patients, whole hearts."""

import collections
import itertools

import pytest

pytest.importorskip("nibabel", reason="nibabel, the extra 'medical', is not installed")
pytest.importorskip("scipy", reason="scipy, the extra 'medical', is not installed")
from acdc_layout import GROUPS, both, heart, write_many, write_packed, write_patient

from keras_condattn.datasets import acdc
from keras_condattn.datasets._split import SPLITS, subset
from keras_condattn.datasets.acdc._split import deal

pytestmark = pytest.mark.pure
NAMES = [f"patient{number:03d}" for number in range(1, 101)]
# The challenge's own: twenty patients of each group after another.
CHALLENGE = {n: acdc._files.BLOCKS[i // 20] for i, n in enumerate(NAMES)}
TRAINING = dict.fromkeys(NAMES, "training")


def sides(split):
    return [{p for p, side in split.items() if side == s} for s in SPLITS]


@pytest.mark.parametrize("seed", [0, 42])
@pytest.mark.parametrize("protocol", ["stratified", "blocks", "official"])
def test_splits_are_disjoint_and_whole_and_folds_test_each_patient_once(protocol, seed):
    held_out = []
    for fold in range(5):
        split = deal(CHALLENGE, {}, TRAINING, protocol, fold, seed)
        assert sorted(split) == NAMES and set(split.values()) <= set(SPLITS)
        held_out += sides(split)[1 if protocol == "official" else 2]
    assert sorted(held_out) == NAMES


def test_each_group_has_its_part_of_each_split():
    for fold in range(5):
        split = deal(CHALLENGE, {}, TRAINING, "stratified", fold, 1)
        counts = [collections.Counter(CHALLENGE[p] for p in s) for s in sides(split)]
        assert [sum(c.values()) for c in counts] == [70, 10, 20]
        assert counts[1:] == [dict.fromkeys(GROUPS, n) for n in (2, 4)]
        split = deal(CHALLENGE, {}, TRAINING, "official", fold, 1)
        counts = [collections.Counter(CHALLENGE[p] for p in s) for s in sides(split)]
        assert counts == [dict.fromkeys(GROUPS, 16), dict.fromkeys(GROUPS, 4), {}]


def test_blocks_are_the_consecutive_twenties():
    for fold in range(5):
        train, validation, test = sides(deal(CHALLENGE, {}, {}, "blocks", fold, 0))
        assert sorted(test) == NAMES[20 * fold : 20 * fold + 20]
        assert not validation and len(train) == 80


def test_the_split_follows_the_seed_and_nothing_else():
    arguments = ({}, TRAINING, "stratified", 0)
    first = deal(CHALLENGE, *arguments, 1)
    backwards = dict(reversed(CHALLENGE.items()))
    assert deal(backwards, *arguments, 1) == first
    assert deal(CHALLENGE, *arguments, 2) != first
    # Fixed for ever: published numbers depend on it.
    few = dict.fromkeys("abcdefghij", "NOR")
    train, validation, test = sides(deal(few, {}, {}, "stratified", 0, 42))
    assert (validation, test) == ({"e"}, {"d", "h"})
    assert len(train) == 7


@pytest.mark.parametrize("protocol", ["stratified", "blocks", "official"])
def test_twins_go_where_the_other_goes(protocol):
    parts = TRAINING | {"patient099": "testing"}
    twins = {"patient076": "patient054", "patient099": "patient074"}
    for seed, fold in itertools.product(range(5), range(5)):
        split = deal(CHALLENGE, twins, parts, protocol, fold, seed)
        assert len(split) == 100
        for one, other in twins.items():
            assert split[one] == split[other]


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_nested_and_take_the_groups_in_turn(seed):
    order = {s: subset(NAMES, CHALLENGE, s, seed) for s in (0.01, 0.06, 0.25, 0.5, 1)}
    assert [len(kept) for kept in order.values()] == [1, 6, 25, 50, 100]
    for small, large in itertools.pairwise(order.values()):
        assert large[: len(small)] == small
    for share, kept in order.items():
        counts = collections.Counter(CHALLENGE[p] for p in kept).values()
        assert share == 0.01 or (len(counts) == 5 and max(counts) - min(counts) <= 1)
    assert subset(NAMES[::-1], CHALLENGE, 0.25, seed) == order[0.25]
    assert subset(NAMES, CHALLENGE, 0.25, seed + 1) != order[0.25]
    assert subset(["patient001"], CHALLENGE, 0.001, seed) == ["patient001"]


def test_the_loader_splits_by_patient(tmp_path):
    write_many(tmp_path, 15)
    parts = [acdc.load(tmp_path, split) for split in SPLITS]
    everyone = acdc.load(tmp_path).patients
    assert sorted(p for source in parts for p in source.patients) == everyone
    assert [len(source.patients) for source in parts] == [10, 2, 3]
    for source in parts:
        assert {i["patient"] for i in source} == set(source.patients)
        assert len(source) == 8 * len(source.patients)
    train = parts[0].patients
    less = [acdc.load(tmp_path, "train", share=s, subset_seed=1) for s in (0.2, 0.5)]
    small, large = (set(source.patients) for source in less)
    assert len(small) == 2 and len(large) == 5 and small < large < set(train)
    assert len(set(less[1].groups.values())) == 5
    for share in (0.2, 0.5):  # the choice leaves the other splits as they are
        test = acdc.load(tmp_path, "test", subset_seed=1, share=1.0).patients
        assert test == parts[2].patients, share


def test_the_same_images_are_one_heart_in_a_chain_too(tmp_path):
    """1, 2 and 3 share an image each with the next; 6 has one of 4's and one of 5's."""
    a, b, c, d, e, f, g, h = map(heart, range(100, 108))
    hearts = {1: (a, b), 2: (c, b), 3: (c, d), 4: (e, f), 5: (g, h), 6: (f, g)}
    for number in range(1, 16):
        pair = hearts.get(number) or both(number)
        write_patient(tmp_path, number, GROUPS[number % 5], hearts=pair)
    source = acdc.load(tmp_path)
    found = {}
    for scan, seen in zip(source.scans, source.seen, strict=True):
        found.setdefault(scan.patient, []).append((scan, seen))
    assert acdc._load._twins(found) == {
        "patient002": "patient001",
        "patient003": "patient001",
        "patient005": "patient004",
        "patient006": "patient004",
    }
    for fold in range(5):
        found = [set(acdc.load(tmp_path, s, fold=fold).patients) for s in SPLITS]
        for family in ({1, 2, 3}, {4, 5, 6}):
            names = {f"patient{number:03d}" for number in family}
            assert sum(names <= side for side in found) == 1


def test_the_official_split_is_that_of_the_folders(tmp_path):
    for number in range(1, 6):
        write_patient(tmp_path / "database" / "training", number, GROUPS[number - 1])
    for number in (101, 7):
        write_patient(tmp_path / "database" / "testing", number)
    test = acdc.load(tmp_path, "test", protocol="official").patients
    assert test == ["patient007", "patient101"]
    sizes = [len(acdc.load(tmp_path, s, protocol="official").patients) for s in SPLITS]
    assert sizes == [4, 1, 2]


def test_without_such_folders_the_official_split_goes_by_number(tmp_path):
    """And what lies above the data set's own folders says nothing."""
    root = tmp_path / "testing" / "training"
    for number in (1, 2):
        write_patient(root, number)
    assert acdc.load(tmp_path, "train", protocol="official").patients
    with pytest.raises(ValueError, match="has no patient"):
        acdc.load(tmp_path, "test", protocol="official")
    for number in (100, 101):
        write_packed(tmp_path / "flat", number)
    if "testing" not in tmp_path.parts:
        flat = tmp_path / "flat"
        assert acdc.load(flat, "test", protocol="official").patients == ["patient101"]


def test_blocks_by_the_loader(tmp_path):
    for number in (1, 20, 21, 100):
        write_patient(tmp_path, number)
    load = acdc.load
    assert load(tmp_path, "test", protocol="blocks", fold=0).patients == [
        "patient001", "patient020",
    ]  # fmt: skip
    train = load(tmp_path, "train", protocol="blocks", fold=4).patients
    assert train == ["patient001", "patient020", "patient021"]
    with pytest.raises(ValueError, match=r"split='validation' of protocol='blocks'"):
        load(tmp_path, "validation", protocol="blocks")
