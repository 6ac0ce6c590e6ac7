"""`weights=` of classifiers: ImageNet's parameters besides our own."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import keras

from keras_condattn.weights.backbones import (
    backbone_slots,
    is_keras_3,
    is_keras_applications,
    read_backbone,
    read_stored,
    with_channels,
)
from keras_condattn.weights.official import fitted
from keras_condattn.weights.places import cache, sha256_of
from keras_condattn.weights.registry import registered

P = ParamSpec("P")
M = TypeVar("M")
TORCH = "https://download.pytorch.org/models/"
KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
NO_TOP = "_weights_tf_dim_ordering_tf_kernels_notop.h5"


class Source(NamedTuple):
    """Where a file is; its hash is a whole MD5, or else begins its sha256."""

    url: str
    hash: str


SOURCES: dict[str, dict[str, Source]] = {
    "imagenet": {
        "ACMResNet50": Source(f"{TORCH}resnet50-0676ba61.pth", "0676ba61"),
        "ACMResNet101": Source(f"{TORCH}resnet101-63fe2227.pth", "63fe2227"),
        "ACMResNeXt50": Source(f"{TORCH}resnext50_32x4d-7cdf4587.pth", "7cdf4587"),
        "ACMResNeXt101": Source(f"{TORCH}resnext101_32x8d-8ba56ff5.pth", "8ba56ff5"),
        "ACMDenseNet121": Source(f"{TORCH}densenet121-a639ec97.pth", "a639ec97"),
    },
    "imagenet_keras": {
        "ACMResNet50": Source(
            f"{KERAS}resnet/resnet50{NO_TOP}", "4d473c1dd8becc155b73f8504c6f6626"
        ),
        "ACMResNet101": Source(
            f"{KERAS}resnet/resnet101{NO_TOP}", "88cf7a10940856eca736dc7b7e228a21"
        ),
        "ACMDenseNet121": Source(
            f"{KERAS}densenet/densenet121{NO_TOP}", "30ee3e1110167f948a6b9946edeeb738"
        ),
    },
}


def from_imagenet(factory: Callable[P, M]) -> Callable[P, M]:
    """Lets `weights` also be ImageNet's: by name, or as a file of another library.

    `"imagenet"` is torchvision's file (IMAGENET1K_V1), `"imagenet_keras"` that of
    Keras Applications. Attention and head keep their start values. Everything
    else goes to the factory as it is.

    Args:
        factory: a function with a `weights` parameter, as `from_registry` returns it,
            that makes a classifier in torchvision's layer names.

    Returns:
        The function, with the factory's signature and docstring.

    Raises:
        ValueError: (by the function) for an unknown name, a file of another network
            or a damaged one; the model has not been made then.
        FileNotFoundError: for a file that cannot be fetched.
    """
    signature, architecture = inspect.signature(factory), factory.__name__

    @functools.wraps(factory)
    def build(*args: P.args, **kwargs: P.kwargs) -> M:
        try:
            given = dict(signature.bind_partial(*args, **kwargs).arguments)
        except TypeError:
            return factory(*args, **kwargs)  # which says what is wrong
        source = imagenet_source(given.get("weights"), architecture)
        if source is None:
            return factory(*args, **kwargs)
        model = factory(**{**given, "weights": None})  # type: ignore[call-arg]
        path = _fetched(source) if isinstance(source, Source) else source
        return load_backbone(model, path)

    return build


def imagenet_source(weights: Any, architecture: str) -> Source | Path | None:
    """Says where a `weights` argument means ImageNet's, without loading anything.

    Args:
        weights: the argument.
        architecture: name of the factory.

    Returns:
        A source on the net, the path of a file, or None for all other weights.

    Raises:
        ValueError: for a name that is neither registered, nor ImageNet's, nor a file.
    """
    if isinstance(weights, str) and weights in registered(architecture):
        return None
    if isinstance(weights, str) and weights in SOURCES:
        if architecture not in SOURCES[weights]:
            known = [name for name, table in SOURCES.items() if architecture in table]
            raise ValueError(
                f"weights={weights!r} are not published for {architecture}; "
                f"there are {known}"
            )
        return SOURCES[weights][architecture]
    if not isinstance(weights, str | Path):
        return None
    path = Path(weights)
    if not path.is_file():
        raise ValueError(_unknown(weights, architecture))
    return path if not is_keras_3(path) or _is_foreign(path) else None


def load_backbone(model: M, path: Path) -> M:
    """Loads a backbone's parameters, whole or not at all; the rest stays fresh.

    Args:
        model: a classifier in torchvision's layer names.
        path: a file that `read_backbone` reads.

    Returns:
        `model`.

    Raises:
        ValueError: naming `weights` and every missing, unexpected and misshapen
            entry, or a damaged file. Nothing has been changed then.
    """
    slots = backbone_slots(model)
    try:
        arrays = with_channels(read_backbone(path), slots)
        values = fitted(slots, arrays, getattr(model, "name", "the model"))
    except ImportError:
        raise
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"weights: {path} cannot be used ({lines[0]})") from error
    for name, slot in slots.items():
        slot.variable.assign(values[name])
    return model


def _is_foreign(path: Path) -> bool:
    try:
        return is_keras_applications(read_stored(path))
    except Exception:
        return False  # the loader of our own files says what is damaged


def _unknown(weights: Any, architecture: str) -> str:
    ours = sorted(registered(architecture))
    named = [name for name, table in SOURCES.items() if architecture in table]
    return (
        f"weights must be None, one of {[*ours, *named]} for {architecture}, or an "
        f"existing file (.weights.h5, .keras, .h5, .pth, .safetensors), got {weights!r}"
    )


def _fetched(source: Source) -> Path:
    name = source.url.rpartition("/")[2]
    path = cache() / name
    try:
        keras.utils.get_file(
            fname=name, origin=source.url, cache_subdir=str(path.parent)
        )
    except Exception as error:  # get_file raises a bare Exception for a dead URL
        raise FileNotFoundError(
            f"{source.url} could not be fetched into {path.parent} ({error}); "
            f"weights= takes the path of such a file too"
        ) from error
    if not _is_right(path, source.hash):
        path.unlink()
        raise ValueError(
            f"weights: what {source.url} gave does not have the hash {source.hash}, "
            "and is deleted: try again, or give the path of the right file"
        )
    return path


def _is_right(path: Path, expected: str) -> bool:
    if len(expected) == 32:
        import hashlib

        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5")
        return digest.hexdigest() == expected
    return sha256_of(path).startswith(expected)
