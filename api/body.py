"""Reading request bodies: JSON and multipart, each mistake named in the contract's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from api.errors import InvalidJson, InvalidMultipart, InvalidValue, TooManyItems, UnsupportedMediaType

JSON = "application/json"
MULTIPART = "multipart/form-data"

# More parts than any request may use, so that "too many" can be told from "far too many".
_MAX_PARTS = 256


@dataclass(frozen=True)
class Upload:
    """One file part: its name as the client gave it, and its content, which alone decides what it is."""

    filename: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """A multipart body: text fields by name, file parts by name; both in the order they came."""

    fields: dict[str, list[str]]
    uploads: dict[str, list[Upload]]

    @property
    def names(self) -> list[str]:
        return [*self.fields, *self.uploads]


def media_type(request: Request) -> str:
    """The body's declared type, without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def expect(request: Request, *types: str) -> str:
    """The body's type when it is one of `types`; UnsupportedMediaType otherwise."""
    found = media_type(request)
    if found not in types:
        raise UnsupportedMediaType(" or ".join(types))
    return found


async def read_json(request: Request) -> Any:
    """The body as JSON."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"The body is not valid JSON: {error.msg} at character {error.pos}.") from error


async def read_form(request: Request) -> Form:
    """The body as multipart form; the photos' bytes are read into memory (the body's size is limited)."""
    try:
        form = await request.form(max_files=_MAX_PARTS, max_fields=_MAX_PARTS, max_part_size=1024 * 1024)
    except (HTTPException, MultiPartException, MultipartParseError) as error:
        message = getattr(error, "detail", None) or getattr(error, "message", None) or str(error)
        if "Too many" in message:
            raise TooManyItems(f"The form has too many parts: {message}") from error
        raise InvalidMultipart(f"The form could not be read: {message}") from error
    except (UnicodeDecodeError, LookupError, KeyError, ValueError) as error:
        # Bytes that are no UTF-8, an unknown charset, a part without a name: raised as they are.
        raise InvalidMultipart("The form could not be read: a part is malformed.") from error
    try:
        return await _contents(form)
    finally:
        await form.close()


async def _contents(form: FormData) -> Form:
    fields: dict[str, list[str]] = {}
    uploads: dict[str, list[Upload]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            upload = Upload(value.filename or "", await value.read())
            # A browser sends a nameless, empty part for a file field that was left alone.
            if upload.filename or upload.content:
                uploads.setdefault(name, []).append(upload)
        else:
            fields.setdefault(name, []).append(value)
    return Form(fields, uploads)


def single(values: Sequence[str], name: str) -> str:
    """The only value of a form field that may be given once."""
    if len(values) > 1:
        raise InvalidValue(f"{name} is given {len(values)} times; give it once.")
    return values[0]
