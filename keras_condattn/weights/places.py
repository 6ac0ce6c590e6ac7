"""Where a weights file may be: the clone, the wheel, or a mirror. Always checked."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import keras

from keras_condattn.weights.records import WeightsRecord

MIRROR = "KERAS_CONDATTN_MIRROR"
REPOSITORY = Path(__file__).parents[2]
WHEEL = Path(__file__).parent / "files"


def locate(record: WeightsRecord) -> Path:
    """Finds the file of a record and checks its sha256.

    It is looked for in `weights/` of the clone the package lies in, in the
    installed wheel, and at the mirror that the environment variable
    `KERAS_CONDATTN_MIRROR` names (an `https://` or `file://` folder), from which
    it goes into the Keras cache, once.

    Args:
        record: the record of the weights.

    Returns:
        The path of a file with the right content.

    Raises:
        ValueError: for a file with another content, which is moved aside
            (`<file>.corrupt`) or, where it was just downloaded, deleted; for a
            mirror that is neither `https://` nor `file://`.
        FileNotFoundError: where the file is nowhere, naming the places.
    """
    mirror = os.environ.get(MIRROR, "")
    folders = _folders(use_cache=not mirror)
    for folder in folders:
        path = folder / record.file
        if path.is_file():
            return _checked(path, record)
    if mirror:
        return _fetch(record, mirror)
    raise FileNotFoundError(
        f"{record.file}, the weights {record.name!r} of {record.architecture}, is in "
        f"none of {', '.join(map(str, folders))}. Set the environment variable "
        f"{MIRROR} to an https:// or file:// folder that holds it"
    )


def _folders(use_cache: bool) -> list[Path]:
    # A folder called weights beside an installed package is somebody else's.
    clone = [REPOSITORY / "weights"] * (REPOSITORY / "pyproject.toml").is_file()
    return [*clone, WHEEL, *([cache()] if use_cache else [])]


def cache() -> Path:
    """Where downloads are kept: `keras_condattn` in the Keras home folder."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    if not os.access(home, os.W_OK):
        home = Path(tempfile.gettempdir()) / ".keras"
    return home / "keras_condattn"


def sha256_of(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, record: WeightsRecord) -> Path:
    got = sha256_of(path)
    if got == record.sha256:
        return path
    aside = path.with_name(f"{path.name}.corrupt")
    try:
        path.replace(aside)
        moved = f"It is now {aside}"
    except OSError as error:
        moved = f"It could not be moved aside ({error}): remove it"
    raise ValueError(
        f"{_corrupt(path, record, got)} {moved}. Restore it with `git checkout -- "
        f"weights/{record.file}` in a clone, by installing keras-condattn again, or "
        f"from a mirror named by the environment variable {MIRROR}"
    )


def _corrupt(path: Path | str, record: WeightsRecord, got: str) -> str:
    return (
        f"{path} is not the registered file of weights {record.name!r} of "
        f"{record.architecture}: expected sha256 {record.sha256}, got {got}."
    )


def _fetch(record: WeightsRecord, mirror: str) -> Path:
    if urlsplit(mirror).scheme not in ("https", "file"):
        raise ValueError(
            f"{MIRROR} must be an https:// or file:// folder, got {mirror!r}"
        )
    url = f"{mirror.rstrip('/')}/{record.file}"
    path = cache() / record.file
    try:
        keras.utils.get_file(
            fname=record.file,
            origin=url,
            file_hash=record.sha256,
            hash_algorithm="sha256",
            cache_subdir=str(path.parent),
        )
    except Exception as error:  # get_file raises a bare Exception for a dead URL
        if not path.is_file():
            raise FileNotFoundError(
                f"{url} could not be fetched into {path.parent} ({error}), and "
                f"{record.file} is in none of "
                f"{', '.join(map(str, _folders(use_cache=False)))}: check {MIRROR}"
            ) from error
        # Keras leaves a download with a wrong hash where the next call finds it.
        got = sha256_of(path)
        path.unlink()
        what = "The download is deleted: try again, or name another mirror by"
        raise ValueError(f"{_corrupt(url, record, got)} {what} {MIRROR}") from error
    return path
