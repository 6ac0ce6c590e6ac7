"""A weights file is found in the clone, the wheel, the cache or at the mirror."""

import dataclasses

import pytest

from keras_condattn.weights import locate, places


def test_the_clone_goes_before_the_wheel_before_the_cache(published, house):
    record = published.record
    cached = house.home / "keras_condattn" / record.file
    cached.parent.mkdir()
    content = (house.clone / record.file).read_bytes()
    for path in (house.wheel / record.file, cached):
        path.write_bytes(content)
    for expected in (house.clone, house.wheel, cached.parent):
        assert locate(record) == expected / record.file
        (expected / record.file).unlink()
    with pytest.raises(FileNotFoundError, match="KERAS_CONDATTN_MIRROR") as caught:
        locate(record)
    for folder in (house.clone, house.wheel, cached.parent):
        assert str(folder) in str(caught.value)


def test_a_folder_called_weights_beside_an_installed_package_is_left_alone(
    published, house
):
    (house.clone.parent / "pyproject.toml").unlink()
    with pytest.raises(FileNotFoundError):
        locate(published.record)
    assert (house.clone / published.record.file).is_file()


@pytest.mark.parametrize("room", ["clone", "wheel"])
def test_a_corrupt_file_is_moved_aside_and_reported(published, house, room):
    record = published.record
    (house.clone / record.file).unlink()
    path = getattr(house, room) / record.file
    aside = path.with_name(f"{record.file}.corrupt")
    for content in (b"first", b"second"):
        path.write_bytes(content)
        got = places.sha256_of(path)
        with pytest.raises(ValueError, match="git checkout") as caught:
            locate(record)
        for text in (str(aside), record.sha256, got, "installing", places.MIRROR):
            assert text in str(caught.value)
        assert aside.read_bytes() == content and not path.exists()
    with pytest.raises(FileNotFoundError):
        locate(record)


def test_the_mirror_is_read_once_and_its_copy_kept(published, house, monkeypatch):
    mirror = house.home / "mirror"
    mirror.mkdir()
    (house.clone / published.record.file).rename(mirror / published.record.file)
    monkeypatch.setenv(places.MIRROR, f"{mirror.as_uri()}/")
    path = locate(published.record)
    assert path.parent == house.home / "keras_condattn"
    (mirror / published.record.file).unlink()
    assert locate(published.record) == path
    monkeypatch.delenv(places.MIRROR)
    assert locate(published.record) == path


def test_a_damaged_copy_is_fetched_again(published, house, monkeypatch):
    record = dataclasses.replace(
        published.record, name="again", file="again.weights.h5"
    )
    source = house.home / "served"
    source.mkdir()
    (house.clone / published.record.file).rename(source / record.file)
    monkeypatch.setenv(places.MIRROR, source.as_uri())
    path = locate(record)
    path.write_bytes(b"damaged")
    assert places.sha256_of(locate(record)) == record.sha256


def test_a_download_with_another_content_is_deleted(published, house, monkeypatch):
    mirror = house.home / "mirror"
    mirror.mkdir()
    (house.clone / published.record.file).unlink()
    (mirror / published.record.file).write_bytes(b"something else")
    monkeypatch.setenv(places.MIRROR, mirror.as_uri())
    with pytest.raises(ValueError, match=f"expected sha256 {published.record.sha256}"):
        locate(published.record)
    assert not list((house.home / "keras_condattn").iterdir())


def test_a_mirror_without_the_file_or_of_another_kind_is_named(
    published, house, monkeypatch
):
    (house.clone / published.record.file).unlink()
    monkeypatch.setenv(places.MIRROR, (house.home / "nowhere").as_uri())
    with pytest.raises(
        FileNotFoundError, match=r"nowhere/TinyNet.*could not be fetched"
    ):
        locate(published.record)
    for mirror in ("http://example.org/", "/somewhere", "ftp://example.org"):
        monkeypatch.setenv(places.MIRROR, mirror)
        with pytest.raises(ValueError, match="must be an https:// or file:// folder"):
            locate(published.record)
