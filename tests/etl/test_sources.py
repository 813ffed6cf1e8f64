from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from etl.errors import EtlError, RecordError
from etl.sources.archive import open_archive
from etl.sources.folder import FolderTree
from etl.sources.tree import Tree, inside

MOST = 10_000
FILES = {"a.jpg": b"photo a", "deep/er/b.PNG": b"photo b", "note.txt": b"no photo", ".hidden/c.jpg": b"c"}


def zipped(file: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file


TarMode = Literal["w", "w:gz", "w:bz2", "w:xz"]


def tarred(file: Path, files: dict[str, bytes], mode: TarMode = "w") -> Path:
    with tarfile.open(file, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file


def folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def opened(file: Path) -> Tree:
    return open_archive(file, "name", most=MOST, unpacked=file.with_suffix(".unpacked"))


KINDS: dict[str, Callable[[Path, dict[str, bytes]], Tree]] = {
    "folder": lambda place, files: FolderTree(folder(place / "folder", files), most=MOST),
    "zip": lambda place, files: opened(zipped(place / "x.zip", files)),
    "tar": lambda place, files: opened(tarred(place / "x.tar", files)),
    "tar.gz": lambda place, files: opened(tarred(place / "x.tgz", files, "w:gz")),
    "tar.bz2": lambda place, files: opened(tarred(place / "x.tar.bz2", files, "w:bz2")),
    "tar.xz": lambda place, files: opened(tarred(place / "x.tar.xz", files, "w:xz")),
}


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, bytes]], Tree]:
    """Makes a source of each kind."""
    return lambda files: KINDS[request.param](tmp_path, files)


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(RecordError) as caught:
        call()
    return caught.value.code


def test_every_kind_of_source_holds_the_same(made: Callable[[dict[str, bytes]], Tree]) -> None:
    tree = made(FILES)
    assert list(tree.paths()) == ["a.jpg", "deep/er/b.PNG"]
    assert tree.exists("note.txt")
    assert not tree.exists("none.jpg")
    photo = tree.read("./deep//er/b.PNG")
    assert photo is not None
    assert photo.content == b"photo b"
    assert photo.mark == tree.mark("deep/er/b.PNG") is not None
    assert tree.read("deep/er/b.PNG", photo.mark) is None
    assert tree.mark("none.jpg") is None
    with tree.open("note.txt") as stream:
        assert stream.read() == b"no photo"
    assert failure(lambda: tree.read("none.jpg")) == "missing_file"
    assert failure(lambda: tree.read("../x.jpg")) == "outside_source"
    tree.close()


def test_a_photo_that_is_too_large_is_not_read(made: Callable[[dict[str, bytes]], Tree]) -> None:
    tree = made({"large.jpg": b"x" * (MOST + 1), "fits.jpg": b"x" * MOST})
    assert failure(lambda: tree.read("large.jpg")) == "file_too_large"
    assert tree.read("fits.jpg") is not None


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_table_in_the_only_folder_makes_it_the_root(kind: str, tmp_path: Path) -> None:
    tree = KINDS[kind](tmp_path, {"shop/metadata.csv": b"file\n", "shop/a.jpg": b"a"})
    assert list(tree.paths()) == ["a.jpg"]
    assert tree.exists("metadata.csv")
    (tmp_path / "other").mkdir()
    assert list(KINDS[kind](tmp_path / "other", {"shop/a.jpg": b"a"}).paths()) == ["shop/a.jpg"]


@pytest.mark.parametrize("name", ["../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "C:\\evil.jpg"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_that_points_outside_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(EtlError, match="points outside the archive"):
        KINDS[kind](tmp_path, {"good.jpg": b"x", name: b"x"})


def test_links_in_a_tar(tmp_path: Path) -> None:
    def linked(name: str, target: str, kind: bytes) -> Path:
        file = tarred(tmp_path / f"{name}.tar", FILES)
        with tarfile.open(file, "a") as archive:
            entry = tarfile.TarInfo("link.jpg")
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
        return file

    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        with pytest.raises(EtlError, match="outside"):
            opened(linked("out", "../secret.jpg", kind))
        with pytest.raises(EtlError, match="outside"):
            opened(linked("absolute", "/etc/hostname", kind))
        photo = opened(linked("inside", "a.jpg", kind)).read("link.jpg")
        assert photo is not None
        assert photo.content == b"photo a"
    assert failure(lambda: opened(linked("loop", "link.jpg", tarfile.SYMTYPE)).read("link.jpg")) == "corrupt_archive"
    assert failure(lambda: opened(linked("none", "gone.jpg", tarfile.SYMTYPE)).read("link.jpg")) == "corrupt_archive"
    assert failure(lambda: opened(linked("pipe", "", tarfile.FIFOTYPE)).read("link.jpg")) == "not_a_file"


def test_links_in_a_zip(tmp_path: Path) -> None:
    def linked(target: str) -> Path:
        file = tmp_path / "x.zip"
        with zipfile.ZipFile(file, "w") as archive:
            entry = zipfile.ZipInfo("link.jpg")
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, target)
        return file

    with pytest.raises(EtlError, match=r"link that points outside, to '\.\./secret\.jpg'"):
        opened(linked("../secret.jpg"))
    assert failure(lambda: opened(linked("a.jpg")).read("link.jpg")) == "not_a_file"


def test_a_zip_that_claims_ten_gigabytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", b"0" * 1000)
        archive.filelist[0].file_size = 10_000_000_000  # what the directory at the end will say
    with pytest.raises(EtlError, match=r"refused, since it claims to hold 10\.0 GB in 0\.0 MB"):
        opened(file)


def test_a_tar_that_claims_ten_gigabytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.tar"
    entry = tarfile.TarInfo("bomb.jpg")
    entry.size = 10_000_000_000
    file.write_bytes(entry.tobuf() + b"0" * 2048)
    with pytest.raises(EtlError, match=r"claims 10,000,000,000 bytes|cut short"):
        opened(file)


def test_a_compressed_tar_that_inflates_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The real limit is 1 GB; reaching it would only take longer.
    monkeypatch.setattr("etl.sources.archive._ALWAYS_ALLOWED", 1_000_000)
    bomb = tarred(tmp_path / "bomb.tgz", {"bomb.jpg": b"0" * 20_000_000}, "w:gz")
    with pytest.raises(EtlError, match="unpack without end"):
        opened(bomb)
    assert not list(tmp_path.glob("*.unpacked"))


def test_a_zip_that_lies_about_a_size_is_a_bad_photo(tmp_path: Path) -> None:
    file = tmp_path / "liar.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("liar.jpg", b"0" * 100_000)
        archive.writestr("good.jpg", b"good")
        archive.filelist[0].file_size = 10
    tree = opened(file)
    assert failure(lambda: tree.read("liar.jpg")) == "corrupt_archive"
    assert tree.read("good.jpg") is not None


def test_an_archive_that_is_cut_short_is_one_clear_line(tmp_path: Path) -> None:
    kinds: tuple[tuple[TarMode, str], ...] = (("w", "x.tar"), ("w:gz", "x.tgz"))
    for kind, name in kinds:
        file = tmp_path / name
        tarred(file, {"a.jpg": os.urandom(50_000), "b.jpg": os.urandom(50_000)}, kind)
        file.write_bytes(file.read_bytes()[:60_000])
        with pytest.raises(EtlError, match=r"cut short|does not have"):
            opened(file)
    file = zipped(tmp_path / "x.zip", {"a.jpg": os.urandom(50_000)})
    file.write_bytes(file.read_bytes()[:30_000])
    with pytest.raises(EtlError, match="no zip or tar archive, or it is cut short"):
        opened(file)


def test_a_compressed_tar_is_unpacked_once(tmp_path: Path) -> None:
    file = tarred(tmp_path / "x.tgz", FILES, "w:gz")
    opened(file)
    plain = tmp_path / "x.unpacked"
    made = plain.stat().st_mtime_ns
    opened(file)
    assert plain.stat().st_mtime_ns == made
    tarred(file, {"new.jpg": b"new photo"}, "w:gz")
    assert list(opened(file).paths()) == ["new.jpg"]


def test_a_folder_keeps_to_itself(tmp_path: Path) -> None:
    tree = FolderTree(folder(tmp_path / "source", FILES), most=MOST)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "source" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "source" / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "source" / "fine.jpg").symlink_to("a.jpg")
    os.mkfifo(tmp_path / "source" / "pipe.jpg")
    assert failure(lambda: tree.read("link.jpg")) == "outside_source"
    assert failure(lambda: tree.read("/etc/hostname")) == "outside_source"
    assert failure(lambda: tree.read("loop.jpg")) in ("unreadable_file", "missing_file")
    assert failure(lambda: tree.read("pipe.jpg")) == "not_a_file"
    assert failure(lambda: tree.read("deep")) == "not_a_file"
    assert failure(lambda: tree.read("a\0.jpg")) == "unreadable_file"
    assert failure(lambda: tree.read("x" * 300)) in ("unreadable_file", "missing_file")
    photo = tree.read("fine.jpg")
    assert photo is not None
    assert photo.content == b"photo a"


def test_paths_have_one_form() -> None:
    assert inside("./a//b\\c.jpg") == "a/b/c.jpg"
    assert failure(lambda: inside("")) == "missing_path"
    assert failure(lambda: inside("a/../../b")) == "outside_source"
