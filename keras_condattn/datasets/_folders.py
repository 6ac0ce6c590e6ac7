"""Folders that appear whole or not at all."""

import pathlib
import tempfile
from collections.abc import Callable, Sequence


def write_folders(
    folders: Sequence[pathlib.Path], write: Callable[[int, pathlib.Path], None]
) -> None:
    """Makes several folders within one, which is made where it is not there.

    Args:
        folders: what they are to be.
        write: called with the number of each, from 1, and an empty folder of its name.

    Raises:
        FileExistsError: where one of them is there already; nothing is then written.
    """
    top = folders[0].parent
    there = [folder.name for folder in folders if folder.exists()]
    if there:
        raise FileExistsError(
            f"root: {', '.join(there[:5])} exist already in {str(top)!r}; name another "
            "folder"
        )
    top.mkdir(parents=True, exist_ok=True)
    for number, folder in enumerate(folders, 1):
        with tempfile.TemporaryDirectory(dir=top) as scratch:
            part = pathlib.Path(scratch) / folder.name
            part.mkdir()
            write(number, part)
            part.rename(folder)
