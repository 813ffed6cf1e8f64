"""From what a person writes as SOURCE to a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from etl.columns import MAPPING, ColumnMap
from etl.dataset import Dataset
from etl.errors import EtlError, RecordError
from etl.settings import EtlSettings
from etl.sources.archive import open_archive
from etl.sources.download import Download, Progress
from etl.sources.folder import FolderTree
from etl.sources.s3 import S3Tree
from etl.sources.table import NAMES, Table, is_table, open_table
from etl.sources.tree import PHOTO_ENDINGS, Tree
from etl.sources.web import WebSession, WebTree, is_public, is_url
from etl.state import State
from etl.waiting import Patience

_ARCHIVE_ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip")


class Opening:
    """Opens sources: fetches what has to be fetched first, finds the table and its mapping."""

    def __init__(self, settings: EtlSettings, state: State, patience: Patience, progress: Progress) -> None:
        self._settings = settings
        self._state = state
        self._patience = patience
        self._progress = progress
        self._most = settings.most_photo_bytes
        self.web = WebSession(
            allowed=(lambda _: True) if settings.etl_allow_private else is_public,
            timeout=settings.etl_url_timeout,
            connections=settings.etl_readers,
        )

    def dataset(self, source: str) -> Dataset:
        """The dataset of a folder, an archive, a table, an address of one of them, or an S3 prefix.

        Raises EtlError for a source that is not there, or that cannot be read or trusted.
        """
        name = self._settings.etl_source_name or name_of(source)
        photos = self._settings.etl_photos
        if is_table(urlsplit(source).path if is_url(source) else source):
            file = self.fetched(source, name) if is_url(source) else Path(source)
            if not file.is_file():
                raise EtlError(f"{file}: there is no such file")
            beside: Tree = (
                self._tree(photos, name)
                if photos
                else WebTree(source, self.web, most=self._most)
                if is_url(source)
                else FolderTree(file.absolute().parent, most=self._most)
            )
            return self._made(source, name, beside, open_table(file.name, lambda: file.open("rb")), beside)
        if photos:
            raise EtlError("--photos goes with a table as the source")
        tree = self._tree(source, name)
        table = next((name for name in NAMES if tree.exists(name)), None)
        return self._made(source, name, tree, open_table(table, _opener(tree, table)) if table else None, tree)

    def fetched(self, url: str, name: str) -> Path:
        """A file from the web, in the state folder."""
        download = Download(url, self._state.downloads(name), self.web, self._patience)
        return download.fetch(sha256=self._settings.etl_sha256, progress=self._progress)

    def _tree(self, source: str, name: str) -> Tree:
        if source.startswith("s3://"):
            return self._patience.call("source", S3Tree, source, self._settings.s3_source, most=self._most)
        path = self.fetched(source, name) if is_url(source) else Path(source)
        if path.is_dir():
            return FolderTree(path, most=self._most)
        if not path.exists():
            raise EtlError(f"{source}: there is no such file or folder")
        if self._settings.etl_sha256 and not is_url(source):
            raise EtlError("--sha256 is for files from the web")
        return open_archive(path, name, most=self._most, unpacked=self._state.unpacked(name))

    def _made(self, source: str, name: str, tree: Tree, table: Table | None, beside: Tree) -> Dataset:
        settings = self._settings
        if table is not None and not table.count:
            raise EtlError("the table has no rows")
        if table is None and next(tree.paths(), None) is None:
            endings = ", ".join(sorted(PHOTO_ENDINGS))
            raise EtlError(f"{source}: there are no photos in it ({endings}), and no table ({', '.join(NAMES)})")
        columns = self._mapping(beside).changed(
            settings.etl_map, file_column=settings.etl_file_column, id_column=settings.etl_id_column
        )
        return Dataset(name, tree, table, columns, self.web, most=self._most, prefix=settings.etl_id_prefix)

    def _mapping(self, beside: Tree) -> ColumnMap:
        try:
            if (file := self._settings.etl_mapping) is not None:
                return ColumnMap.parse(file.read_text("utf-8"), str(file))
            if beside.exists(MAPPING):
                with beside.open(MAPPING) as stream:
                    return ColumnMap.parse(stream.read().decode(), MAPPING)
        except (OSError, UnicodeDecodeError, RecordError) as error:
            raise EtlError(f"the column mapping cannot be read: {error}") from error
        return ColumnMap()


def located(source: str) -> str:
    """A source's address as it can be used from any working directory."""
    return source if is_url(source) or source.startswith("s3://") else str(Path(source).absolute())


def name_of(source: str) -> str:
    """What a source is called where nobody gives it a name: its folder's, archive's or table's."""
    url = urlsplit(source)
    if source.startswith("s3://"):
        path = PurePosixPath(url.netloc, url.path.strip("/"))
    elif is_url(source):
        path = PurePosixPath(url.netloc.partition(":")[0], unquote(url.path).strip("/"))
    else:
        path = PurePosixPath(Path(source).absolute().as_posix())
    lower = path.name.lower()
    for ending in _ARCHIVE_ENDINGS:
        if lower.endswith(ending):
            return path.name[: -len(ending)] or path.name
    if is_table(path.name):
        return path.parent.name if path.stem == "metadata" and path.parent.name else path.stem
    return path.name


def _opener(tree: Tree, path: str) -> Callable[[], BinaryIO]:
    return lambda: tree.open(path)
