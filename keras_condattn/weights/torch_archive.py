"""PyTorch checkpoints, read as data: without torch, and without running anything.

A checkpoint is a zip archive of raw storages and one pickle that says which slice
of which storage each tensor is. Of the pickle only what describes tensors is let
through; tensors are cut from the archive afterwards, inside its bounds.
"""

import io
import math
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

RESAVE = (
    "in PyTorch, torch.save(torch.load(path)['state_dict'], new_path), or whatever "
    "holds the tensors, makes a file that can be read"
)
DTYPES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


class _Storage(NamedTuple):
    dtype: str
    key: str
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Dict(dict[str, Any]):
    """Stands in for OrderedDict; attributes that a pickle would set are dropped."""

    def __setstate__(self, state: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Knows the words that describe tensors, and refuses all others by name."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

        # Made anew for each file: a pickle may set attributes on what it is given.
        def tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
            return _Tensor(storage, offset, size, stride)

        def parameter(data: Any, *_: Any) -> Any:
            return data

        self.known: dict[str, Any] = {
            "collections.OrderedDict": _Dict,
            "torch._utils._rebuild_tensor_v2": tensor,
            "torch._utils._rebuild_parameter": parameter,
            **DTYPES,
        }

    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module}.{name}"
        if wanted not in self.known:
            raise ValueError(f"it holds {wanted}, which is no tensor; {RESAVE}")
        return self.known[wanted]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, length = pid
        if kind != "storage" or dtype not in DTYPES.values():
            raise ValueError(f"it refers to {pid!r}, which is no storage")
        return _Storage(dtype, str(key), length)


def read_torch(path: Path) -> Any:
    """Reads a `.pth` or `.pt` file that `torch.save` wrote (PyTorch 1.6 or later).

    Args:
        path: the file.

    Returns:
        What was saved, with NumPy arrays for tensors; bfloat16 becomes float32.

    Raises:
        ValueError: for a file of the format before PyTorch 1.6, a damaged one, or
            one that holds anything besides tensors, plain containers and numbers.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(
            "it is no zip archive: damaged, or in the format before PyTorch 1.6; "
            f"{RESAVE}"
        )
    with zipfile.ZipFile(path) as archive:
        return _Reader(archive, path.stat().st_size).read()


class _Reader:
    """Reads one archive."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive = archive
        self.left = size  # torch.save never compresses: no more than this can be in it
        pickles = [n for n in archive.namelist() if n.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise ValueError(f"it must hold one data.pkl, it holds {len(pickles)}")
        self.root = pickles[0].removesuffix("data.pkl")
        marked = f"{self.root}byteorder" in archive.namelist()
        big = marked and self._bytes("byteorder") == b"big"
        self.order: Literal["<", ">"] = ">" if big else "<"
        self.storages: dict[_Storage, np.ndarray] = {}
        self.seen: dict[int, Any] = {}

    def read(self) -> Any:
        return self._arrays(_Unpickler(io.BytesIO(self._bytes("data.pkl"))).load())

    def _bytes(self, name: str) -> bytes:
        info = self.archive.getinfo(self.root + name)
        self.left -= info.file_size
        if info.compress_type != zipfile.ZIP_STORED or self.left < 0:
            raise ValueError(f"{info.filename} unpacks to more than the archive holds")
        return self.archive.read(info)

    def _arrays(self, value: Any) -> Any:
        """Replaces tensors in nested mappings, each mapping once."""
        if isinstance(value, _Tensor):
            return self._array(value)
        if not isinstance(value, dict) or id(value) in self.seen:
            return self.seen.get(id(value), value)
        arrays: dict[Any, Any] = {}
        self.seen[id(value)] = arrays
        arrays.update((key, self._arrays(item)) for key, item in value.items())
        return arrays

    def _array(self, tensor: _Tensor) -> np.ndarray:
        storage, offset, size, stride = tensor
        _check_inside(tensor)
        if 0 in size:
            return np.zeros(size, "f4")
        if storage not in self.storages:
            self.storages[storage] = self._storage(storage)
        flat = self.storages[storage]
        unit = flat.itemsize
        strides = [step * unit for step in stride]
        return np.ndarray(size, flat.dtype, flat.data, offset * unit, strides)

    def _storage(self, storage: _Storage) -> np.ndarray:
        half = storage.dtype == "bfloat16"
        dtype = np.dtype("u2" if half else storage.dtype).newbyteorder(self.order)
        data, length = self._bytes(f"data/{storage.key}"), storage.length
        if len(data) != length * dtype.itemsize:
            raise ValueError(
                f"storage {storage.key} has {len(data)} bytes where {length} elements "
                f"take {length * dtype.itemsize}"
            )
        flat = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False)
        # bfloat16 is the upper half of a float32.
        return (flat.astype(np.uint32) << 16).view(np.float32) if half else flat


def _check_inside(tensor: _Tensor) -> None:
    """A tensor is a slice of its storage: no element outside, none twice."""
    storage, offset, size, stride = tensor
    whole = isinstance(storage, _Storage) and len(size) == len(stride)
    numbers = (*size, *stride, offset, storage.length) if whole else (None,)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"{tensor} does not describe a tensor")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if 0 not in size and (last >= storage.length or math.prod(size) > storage.length):
        raise ValueError(
            f"a tensor of shape {tuple(size)} at {offset} reaches outside storage "
            f"{storage.key} of {storage.length} elements"
        )
