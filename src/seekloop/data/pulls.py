"""Sources that are pulled: a database and an HTTP endpoint. Secrets are named (`${CRM_TOKEN}`), never written here."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, model_validator

from seekloop.system.spec import Spec

__all__ = [
    "BasicAuth",
    "BearerAuth",
    "CursorPages",
    "HeaderAuth",
    "LinkPages",
    "NoAuth",
    "NumberedPages",
    "OauthAuth",
    "OffsetPages",
    "OnePage",
    "PluginSpec",
    "RestSpec",
    "SinceSpec",
    "SqlSpec",
]

_reference = re.compile(r"\$\{\w+\}")
_secret_names = re.compile(r"pass|pwd|secret|token|api_?key|credential", re.IGNORECASE)


def _is_named(value: str) -> bool:
    return not value or _reference.fullmatch(value) is not None


def _named_secret(value: str) -> str:
    """Refuse a secret that stands in clear: specs are kept in the ledger."""
    if not _is_named(value):
        raise ValueError("write it as ${NAME} and set the environment variable NAME: specs are kept in the ledger")
    return value


def _clean_url(value: str) -> str:
    """Refuse a URL with a password or token in clear."""
    parts = urlsplit(value)
    inside = [secret for name, secret in parse_qsl(parts.query) if _secret_names.search(name)]
    _, _, password = parts.netloc.rpartition("@")[0].partition(":")
    if not all(map(_is_named, [password, *inside])):
        raise ValueError("it holds a secret in clear; write it as ${NAME} and set the environment variable NAME")
    return value


def _clean_options(options: dict[str, Any]) -> dict[str, Any]:
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    _clean_values(texts)
    for value in texts.values():
        _clean_url(value)
    return options


def _clean_values(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if _secret_names.search(name) or name.lower() in ("authorization", "cookie"):
            _named_secret(value.removeprefix("Bearer ").removeprefix("Basic "))
    return values


Secret = Annotated[str, AfterValidator(_named_secret)]
Url = Annotated[str, AfterValidator(_clean_url)]
Options = Annotated[dict[str, Any], AfterValidator(_clean_options)]
Values = Annotated[dict[str, str], AfterValidator(_clean_values)]


class SqlSpec(Spec):
    """A table or a query, through SQLAlchemy."""

    url: Url
    """SQLAlchemy URL; secrets as `${NAME}`: `postgresql+pg8000://reader:${CRM_PASSWORD}@db/crm`, or `${CRM_URL}` whole.
    A relative SQLite file is taken from the project folder."""
    query: str | None = None
    """A SELECT. One of query and table."""
    table: str | None = None
    """A table or view, `schema.name` where it is not in the default schema."""
    watermark: str | None = None
    """A column that only grows as rows are added or changed, such as `updated_at`: later runs read what is new. Every
    row read so far stays in the corpus; a changed row takes the place of the old one."""
    key: str | None = None
    """The column that says which row is which; needed with a watermark. None: the table's primary key."""
    batch: int = Field(default=1_000, ge=1)
    """Rows that are fetched at a time."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.query is None) == (self.table is None):
            raise ValueError("give query or table, one of them")
        if self.query is not None and self.watermark is not None and self.key is None:
            raise ValueError("a query with a watermark needs the key column that says which row is which")
        return self

    @property
    def shown(self) -> str:
        """The database and table, without user and password."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        place = f"{host}{parts.path}" if host else parts.path.removeprefix("/") or self.url
        return f"sql:{place}#{self.table or 'query'}"


class PluginSpec(Spec):
    """A source that an installed package opens, through the entry-point group `seekloop.readers`."""

    name: str
    """Name of the entry point."""
    options: Options = Field(default_factory=dict)
    """What it is told; secrets as `${NAME}`, never in clear."""

    @property
    def shown(self) -> str:
        """The name of the entry point."""
        return f"plugin:{self.name}"


class NoAuth(Spec):
    """Nothing to prove."""

    by: Literal["none"] = "none"


class BearerAuth(Spec):
    """`Authorization: Bearer …`."""

    by: Literal["bearer"] = "bearer"
    token: Secret
    """As `${NAME}`."""


class BasicAuth(Spec):
    """User and password."""

    by: Literal["basic"] = "basic"
    user: str
    """In clear or as `${NAME}`."""
    password: Secret
    """As `${NAME}`."""


class HeaderAuth(Spec):
    """A key in a header of its own."""

    by: Literal["header"] = "header"
    name: str = "X-Api-Key"
    """The header."""
    value: Secret
    """As `${NAME}`."""


class OauthAuth(Spec):
    """OAuth 2 client credentials (RFC 6749, 4.4): a token is asked for, and again when it is refused or runs out."""

    by: Literal["oauth2"] = "oauth2"
    token_url: Url
    """Where tokens are given."""
    client_id: str
    """In clear or as `${NAME}`."""
    client_secret: Secret
    """As `${NAME}`."""
    scope: str | None = None
    """Rights asked for, separated by blanks."""
    send: Literal["basic", "body"] = "basic"
    """How id and secret are sent: in the `Authorization` header, or in the form."""


class OnePage(Spec):
    """All records come in one answer."""

    by: Literal["none"] = "none"


class NumberedPages(Spec):
    """`?page=1`, `?page=2`, …, until a page is empty."""

    by: Literal["page"] = "page"
    parameter: str = "page"
    """Query parameter."""
    first: int = 1
    """Number of the first page."""
    size: int | None = Field(default=None, ge=1)
    """Records a page to ask for; None: the server's own."""
    size_parameter: str = "per_page"
    """Query parameter of the size."""


class OffsetPages(Spec):
    """`?offset=0&limit=100`, `?offset=100&limit=100`, …, until a page is empty."""

    by: Literal["offset"] = "offset"
    parameter: str = "offset"
    """Query parameter."""
    size: int = Field(default=100, ge=1)
    """Records a page."""
    size_parameter: str = "limit"
    """Query parameter of the size."""


class CursorPages(Spec):
    """Each answer says where the next page begins: by a cursor to send back, or by the address of the next page."""

    by: Literal["cursor"] = "cursor"
    next: str
    """Where the cursor or the next address stands in the answer: `meta.next_cursor`; nothing there: done."""
    parameter: str | None = "cursor"
    """Query parameter that carries the cursor; null: what stands there is the address of the next page."""
    more: str | None = None
    """A truth value in the answer that says whether there is more, where a cursor always comes: `meta.has_more`."""
    end: str | None = None
    """The opposite: a truth value that says that this was the last page, `end_of_stream`."""


class LinkPages(Spec):
    """The header `Link: <…>; rel="next"` (RFC 8288)."""

    by: Literal["link"] = "link"


class SinceSpec(Spec):
    """What a later pull asks for: only records that were changed since the newest one seen."""

    parameter: str
    """Query parameter that carries the time: `updated_since`, `start_time`."""
    form: Literal["as_is", "unix"] = "as_is"
    """How it is written: as in the records, or in seconds since 1970."""
    start: str | None = None
    """What the first pull asks for; None: everything."""


Auth = Annotated[NoAuth | BearerAuth | BasicAuth | HeaderAuth | OauthAuth, Field(discriminator="by")]
Pages = Annotated[OnePage | NumberedPages | OffsetPages | CursorPages | LinkPages, Field(discriminator="by")]


class RestSpec(Spec):
    """Records of an HTTP endpoint that answers in JSON.

    What was pulled is kept by key beside the project's work, a page at a time: a pull that is killed goes on, the same
    record twice is one row, and a changed record takes the place of the old one.
    """

    url: Url
    """Address; secrets as `${NAME}`."""
    records: str = ""
    """Where the list of records stands in the answer: `data.tickets`. Empty: the answer is the list."""
    key: str = "id"
    """The field that says which record is which; with dots for nested ones."""
    updated: str | None = None
    """The field that says which of two versions of a record is newer; None: the one that came later."""
    params: Values = Field(default_factory=dict)
    """Query parameters of every request."""
    headers: Values = Field(default_factory=dict)
    """Headers of every request."""
    auth: Auth = NoAuth()
    """How the requests prove who sends them."""
    pagination: Pages = OnePage()
    """How the records are shared out over several answers."""
    since: SinceSpec | None = None
    """What later pulls ask for; None: everything again, and records that are gone there go here too."""
    retries: int = Field(default=5, ge=0)
    """How often a request is sent again after a fault: no connection, an answer cut short, 429, 5xx."""
    backoff_s: float = Field(default=0.5, gt=0)
    """Pause before the first repetition; doubled each time, at most a minute. `Retry-After` comes before it."""
    per_minute: float | None = Field(default=None, gt=0)
    """Requests a minute at most."""
    timeout_s: float = Field(default=30.0, gt=0)
    """How long an answer may take to begin, and to go on."""
    max_pages: int = Field(default=10_000, ge=1)
    """Pages of one pull at most: a server that never ends is refused."""

    @model_validator(mode="after")
    def _has_its_mark(self) -> Self:
        if self.since is not None and self.updated is None:
            raise ValueError("since needs updated, the field that says when a record was changed")
        return self

    @property
    def shown(self) -> str:
        """The address without user, password and parameters."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.scheme else self.url
