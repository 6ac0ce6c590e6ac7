"""The authors' parameters land in the right variables, or nothing changes."""

import re

import h5py
import keras
import numpy as np
import pytest

from keras_condattn import layers
from keras_condattn.weights import converters, load_official
from keras_condattn.weights.checkpoints import read_checkpoint

KINDS = {"film": layers.FiLM, "guiding": layers.GuidingBlock, "inside": layers.INSIDE}


@pytest.fixture
def released(golden):
    """The released parameters of one layer under their own names."""
    arrays = golden("inside_public.npz")

    def of(kind):
        names = [n for n in arrays if n.startswith(f"{kind}/fc_")]
        return {n.removeprefix(f"{kind}/"): arrays[n] for n in names}

    return of


def built(kind="film"):
    layer = KINDS[kind](hidden_units=3, data_format="channels_last")
    layer.build((None, 8, 8, 6), (None, 4))
    return layer


def held(layer):
    arrays = [np.array(keras.ops.convert_to_numpy(v)) for v in layer.weights]
    names = ["/".join(v.path.split("/")[-2:]) for v in layer.weights]
    return dict(zip(names, arrays, strict=True))


def assert_holds(layer, state):
    got = held(layer)
    assert got.keys() == state.keys()
    for name, expected in state.items():
        np.testing.assert_array_equal(got[name], np.asarray(expected, "float32"))


@pytest.mark.parametrize("kind", KINDS)
def test_released_parameters_load(kind, released):
    layer = built(kind)
    assert load_official(layer, released(kind)) is layer
    assert_holds(layer, released(kind))
    assert_holds(
        load_official(built(kind), {"state_dict": released(kind)}), released(kind)
    )


def test_a_subclass_and_a_data_parallel_checkpoint_load(released):
    class Mine(layers.FiLM):
        pass

    layer = Mine(hidden_units=3, data_format="channels_last")
    layer.build((None, 8, 8, 6), (None, 4))
    state = {f"module.{name}": array for name, array in released("film").items()}
    assert_holds(load_official(layer, state), released("film"))


def write_npz(path, state):
    np.savez(path, **state)


def write_safetensors(path, state):
    from safetensors.numpy import save_file

    save_file(dict(state), path)


def write_h5(path, state):
    with h5py.File(path, "w") as file:
        for name, array in state.items():
            file[name] = array


def write_keras_2(path, state):
    """`<layer>/<layer>/<sublayer>/<variable>:0`, and a list of layers at the top."""
    write_h5(path, {f"film/film/{name}:0": array for name, array in state.items()})
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"film"]
        file.create_group("top_level_model_weights")


def write_layer_by_layer(path, state):
    """`fc_1/fc_1/kernel:0`, where each sublayer was a layer of its own."""
    parts = {f"{name.partition('/')[0]}/{name}:0": state[name] for name in state}
    write_h5(path, parts)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"fc_1", b"fc_2", b"fc_3"]


WRITERS = [
    (write_npz, ".npz"),
    (write_safetensors, ".safetensors"),
    (write_h5, ".weights.h5"),
    (write_keras_2, ".h5"),
    (write_layer_by_layer, ".h5"),
]


@pytest.mark.parametrize(("write", "suffix"), WRITERS)
def test_every_kind_of_file_loads(write, suffix, released, tmp_path):
    path = tmp_path / f"released{suffix}"
    write(path, released("film"))
    assert_holds(load_official(built(), path), released("film"))
    assert_holds(load_official(built(), str(path)), released("film"))


@pytest.mark.parametrize(("write", "suffix"), WRITERS)
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_truncated_file_is_named(write, suffix, keep, released, tmp_path):
    path = tmp_path / f"released{suffix}"
    write(path, released("film"))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    layer = built()
    before = held(layer)
    with pytest.raises(
        ValueError, match=f"state: {re.escape(str(path))} cannot be read"
    ):
        load_official(layer, path)
    assert_holds(layer, before)


def test_bfloat16_safetensors_become_float32(tmp_path):
    import ml_dtypes

    array = np.array([1.5, -2.25], ml_dtypes.bfloat16)
    write_safetensors(tmp_path / "a.safetensors", {"a": array})
    read = read_checkpoint(tmp_path / "a.safetensors")["a"]
    assert read.dtype == np.float32 and read.tolist() == [1.5, -2.25]


def test_one_error_names_every_wrong_entry_and_nothing_changes(released):
    state = released("film")
    del state["fc_1/bias"], state["fc_3/kernel"]
    state |= {"fc_9/kernel": np.ones(2), "fc_8/bias": np.ones(2)}
    state["fc_2/kernel"] = np.ones((3, 4))
    state["fc_2/bias"] = np.array(["a", "b", "c"])
    layer = built()
    before = held(layer)
    with pytest.raises(ValueError, match="state does not fit FiLM") as caught:
        load_official(layer, state)
    for text in (
        "missing: fc_1/bias, fc_3/kernel",
        "unexpected: fc_8/bias, fc_9/kernel",
        "fc_2/kernel has shape (3, 4) where (3, 3) is needed",
        "fc_2/bias holds <U1 where numbers are needed",
    ):
        assert text in str(caught.value)
    assert_holds(layer, before)


def test_an_empty_state_lacks_everything(released):
    with pytest.raises(ValueError, match="missing: fc_1/bias, fc_1/kernel"):
        load_official(built(), {})


def test_an_unbuilt_layer_is_told_to_be_built(released):
    with pytest.raises(ValueError, match=r"FiLM .* has no variables yet: call it"):
        load_official(layers.FiLM(), released("film"))


def test_a_layer_without_a_known_checkpoint_is_refused():
    with pytest.raises(
        TypeError, match=r"known \(.*FiLM, GuidingBlock, INSIDE.*got Dense"
    ):
        load_official(keras.layers.Dense(2), {})


@pytest.mark.parametrize("state", [None, 3, [1], {3: np.ones(2)}])
def test_another_kind_of_state_is_refused(state):
    with pytest.raises(TypeError, match="state must"):
        load_official(built(), state)


def test_another_kind_of_file_or_none_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_official(built(), tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"state must be a \.npz, .* file, got"):
        load_official(built(), tmp_path / "released.zip")


def test_pickles_in_npz_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_checkpoint(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.ones(2))
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(tmp_path / "b.npz")


def test_h5_files_cannot_reach_out_or_swell(tmp_path):
    (tmp_path / "secret").write_bytes(b"1234" * 4)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.ones(4)
    for name, fill, message in (
        ("external", _external, "a refers to another file"),
        ("virtual", _virtual, "a refers to another file"),
        ("huge", _huge, "a claims 4,000,000,000,000 bytes"),
        ("twice", _twice, "a/b is in it twice"),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            fill(file, tmp_path)
        with pytest.raises(ValueError, match=message):
            read_checkpoint(tmp_path / f"{name}.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["a"] = h5py.ExternalLink("other.h5", "a")
    assert read_checkpoint(tmp_path / "link.h5") == {}


def _external(file, folder):
    file.create_dataset("a", (4,), "f4", external=[(str(folder / "secret"), 0, 16)])


def _virtual(file, folder):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "a", (4,))
    file.create_virtual_dataset("a", layout)


def _huge(file, folder):
    file.create_dataset("a", (10**12,), "f4", chunks=(1000,), compression="gzip")


def _twice(file, folder):
    file["a/b"] = file["a/a/b"] = np.ones(1)


def test_safetensors_are_asked_for_by_name_where_missing(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    path = tmp_path / "a.safetensors"
    path.touch()
    with pytest.raises(ImportError, match=r"pip install .*safetensors"):
        load_official(built(), path)


def test_slots_may_turn_a_layout(monkeypatch):
    """A converter's transform reaches the variable, and the shape check after it."""

    def turned(layer):
        return {"weight": converters.Slot(layer.kernel, np.transpose)}

    monkeypatch.setitem(converters.CONVERTERS, "Dense", turned)
    dense = keras.layers.Dense(2, use_bias=False)
    dense.build((None, 3))
    load_official(dense, {"weight": np.arange(6.0).reshape(2, 3)})
    np.testing.assert_array_equal(held(dense).popitem()[1], [[0, 3], [1, 4], [2, 5]])
