"""PyTorch checkpoints are read as data: nothing run, nothing outside the file."""

import io
import pathlib
import pickle
import zipfile
from collections import OrderedDict

import keras
import numpy as np
import pytest

from keras_condattn.weights import torch_archive
from keras_condattn.weights.checkpoints import read_checkpoint

SMALL = pathlib.Path(__file__).with_name("small.pth")
BASE = np.arange(12.0).reshape(3, 4)
EXPECTED = {
    "transposed": BASE.T,
    "window": BASE[1:, 1:3],
    "parameter": [1, 2],
    "half": [0.5, -3],
    "bfloat16": [[1.5, 3.0], [-2.25, 1e30]],
    "count": 7,
    "empty": np.zeros((0, 3)),
    "flags": [True, False],
}


class Global:
    """Pickles as a call of something that need not exist here."""

    def __init__(self, module, name, *args):
        self.module, self.name, self.args = module, name, args


class Word:
    """Pickles as a bare name."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Writer(pickle._Pickler):
    """Writes what torch.save writes, and what it never would."""

    def persistent_id(self, item):
        return item[1:] if isinstance(item, tuple) and item[:1] == ("pid",) else None

    def save(self, item, save_persistent_id=True):
        if isinstance(item, Word):
            self.write(f"c{item.module}\n{item.name}\n".encode())
        elif isinstance(item, Global):
            self.save(Word(item.module, item.name))
            self.save(item.args)
            self.write(pickle.REDUCE)
        elif isinstance(item, tuple) and item[:1] == ("pid",):
            self.save(item[1:])
            self.write(pickle.BINPERSID)
        else:
            super().save(item, save_persistent_id)


def write(path, content, storages=(), compression=zipfile.ZIP_STORED, **entries):
    file = io.BytesIO()
    Writer(file, 2).dump(content)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("any/data.pkl", file.getvalue())
        for name, data in entries.items():
            archive.writestr(f"any/{name}", data)
        for key, array in enumerate(storages):
            archive.writestr(f"any/data/{key}", array.tobytes())
    return path


def tensor(offset=0, size=(3,), stride=(1,), count=4, kind="FloatStorage", key="0"):
    storage = ("pid", "storage", Word("torch", kind), key, "cpu", count)
    args = (storage, offset, size, stride, False, OrderedDict())
    return Global("torch._utils", "_rebuild_tensor_v2", *args)


FOUR = np.arange(4, dtype="<f4")


def test_what_torch_saved_is_read_without_torch():
    state = read_checkpoint(SMALL)
    assert state.keys() == EXPECTED.keys()
    for name, expected in EXPECTED.items():
        assert state[name].shape == np.shape(expected)
        np.testing.assert_allclose(state[name], expected, rtol=4e-3)
    assert state["bfloat16"].dtype == np.float32


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="needs torch")
def test_what_torch_saves_today_is_read(tmp_path):
    import torch

    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(state.state_dict(), tmp_path / "new.pt")
    read = read_checkpoint(tmp_path / "new.pt")
    assert list(read) == list(state.state_dict())
    for name, expected in state.state_dict().items():
        np.testing.assert_array_equal(read[name], expected.numpy())
    torch.save(
        state.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False
    )
    with pytest.raises(ValueError, match="before PyTorch"):
        read_checkpoint(tmp_path / "old.pt")
    torch.save(state, tmp_path / "module.pt")
    with pytest.raises(ValueError, match=r"it holds torch\.nn\.modules.*Sequential"):
        read_checkpoint(tmp_path / "module.pt")


def test_a_written_archive_is_read(tmp_path):
    path = write(tmp_path / "a.pth", {"module.a": tensor(1)}, [FOUR])
    np.testing.assert_array_equal(read_checkpoint(path)["a"], [1, 2, 3])
    big = write(
        tmp_path / "b.pth", {"a": tensor(1)}, [FOUR.byteswap()], byteorder=b"big"
    )
    np.testing.assert_array_equal(read_checkpoint(big)["a"], [1, 2, 3])


@pytest.mark.parametrize(
    "wanted",
    ["posix.system", "builtins.eval", "torch.load", "numpy.core.multiarray.scalar"],
)
def test_anything_but_tensors_is_refused_by_name(tmp_path, wanted):
    module, _, name = wanted.rpartition(".")
    canary = tmp_path / "ran"
    path = write(tmp_path / "a.pth", {"a": Global(module, name, f"touch {canary}")})
    with pytest.raises(ValueError, match=f"it holds {wanted}, which is no tensor"):
        read_checkpoint(path)
    assert not canary.exists()


def test_a_pickle_cannot_change_what_it_is_given(tmp_path):
    """BUILD would set `items` on the class that stands in for every mapping."""
    before = dict(vars(torch_archive._Dict))
    path = tmp_path / "build.pth"
    with zipfile.ZipFile(path, "w") as archive:
        code = b"\x80\x02ccollections\nOrderedDict\nN}U\x05items)s\x86b."
        archive.writestr("any/data.pkl", code)
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(path)
    assert dict(vars(torch_archive._Dict)) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensor(2), "reaches outside storage 0 of 4 elements"),
        (tensor(0, (2, 2), (3, 1)), "reaches outside"),
        (tensor(0, (5, 4), (0, 1)), "reaches outside"),
        (tensor(-1), "does not describe a tensor"),
        (tensor(3, (3,), (-1,)), "does not describe a tensor"),
        (tensor(0, (3, 1), (1,)), "does not describe a tensor"),
        (tensor(0, (True,)), "does not describe a tensor"),
        (tensor(count=5), "has 16 bytes where 5 elements take 20"),
        (tensor(count=2, size=(1,)), "has 16 bytes where 2 elements take 8"),
        (tensor(key="9"), "no item named 'any/data/9'"),
        (tensor(kind="QInt8Storage"), "it holds torch.QInt8Storage"),
        (("pid", "module", "x", "0", "cpu", 4), "which is no storage"),
        (("pid", "short"), "cannot be read"),
    ],
)
def test_a_tensor_that_does_not_lie_in_its_storage_is_refused(
    tmp_path, content, message
):
    path = write(tmp_path / "a.pth", {"a": content}, [FOUR])
    with pytest.raises(ValueError, match=message) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)


def test_no_file_unpacks_to_more_than_it_holds(tmp_path):
    path = write(tmp_path / "a.pth", {"a": tensor()}, [FOUR], zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="more than the archive holds"):
        read_checkpoint(path)


def test_no_storage_is_read_as_two_kinds_of_number(tmp_path):
    both = {k: tensor(count=4000, kind=k) for k in ("FloatStorage", "IntStorage")}
    path = write(tmp_path / "a.pth", both, [np.zeros(4000, "f4")])
    with pytest.raises(ValueError, match="more than the archive holds"):
        read_checkpoint(path)


def test_mappings_within_mappings_are_each_read_once(tmp_path):
    nested = {"a": tensor()}
    for _ in range(60):  # 2**60 ways from the outermost to the tensor
        nested = {"x": nested, "y": nested}
    nested["self"] = nested
    read = read_checkpoint(write(tmp_path / "b.pth", nested, [FOUR]))
    assert read.keys() == {"x", "y", "self"}


def test_a_file_that_holds_no_mapping_is_refused(tmp_path):
    path = write(tmp_path / "a.pth", tensor(), [FOUR])
    with pytest.raises(ValueError, match="holds no names, but a ndarray"):
        read_checkpoint(path)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, keep):
    content = SMALL.read_bytes()
    path = tmp_path / "a.pth"
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match="it is no zip archive"):
        read_checkpoint(path)


def test_an_archive_without_a_pickle_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("any/other", b"")
    with pytest.raises(ValueError, match="it must hold one data"):
        read_checkpoint(path)
