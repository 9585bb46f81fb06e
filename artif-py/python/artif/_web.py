"""What the middleware of all frameworks shares: where answers come from, what is logged."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from artif._artif import Gatekeeper, Reputation, Ruling
from artif._engine import Engine, Member, Reader
from artif.errors import ArtifError

log = logging.getLogger("artif.requests")
"""Flagged and blocked requests, one JSON object a line; `record.artif` is the ruling."""

RETRY_SECONDS = 1.0


class Gate:
    """Rules on requests for one application.

    `config` is the path of an `artif.toml`, or its keys as a dict: the workers then are members
    (`artif.Member`) of which one refreshes by itself. Options given here count over its section
    `[middleware]`. `data` is a folder that something else refreshes (`artif watch`, or `artif
    refresh` by cron), which workers only read; together with `config` it is the folder to use in
    place of the configuration's. `engine` is an `artif.Engine`, `artif.Member` or `artif.Reader`
    in place of both.

    Each worker opens it by itself when the first request arrives, so that servers may fork before.
    Until there is a snapshot no client is known, and the option `unknown` decides.
    """

    def __init__(
        self,
        *,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        data: str | os.PathLike[str] | None = None,
        engine: Engine | Member | Reader | None = None,
        **options: Any,
    ) -> None:
        if (config is None and data is None) == (engine is None):
            raise TypeError(
                "artif middleware needs config=FILE, data=FOLDER, or else engine=ENGINE"
            )
        if config is not None:
            engine = _member(config, data)
            options = {**engine.middleware, **options}
        self.gatekeeper = Gatekeeper(**options)
        self.header = self.gatekeeper.header
        self._data = data
        self._engine = engine
        self._lock = threading.Lock()
        self._next_try = 0.0

    @property
    def is_member(self) -> bool:
        """Whether this process may come to refresh by itself."""
        return isinstance(self._engine, Member)

    def engine(self) -> Engine | Member | Reader | None:
        """Return what answers; None where a folder that is only read has no snapshot yet."""
        return self._engine or self._try_open()

    def _try_open(self) -> Reader | None:
        # Requests go on while one of them tries.
        if self._data is None or not self._lock.acquire(blocking=False):
            return None
        try:
            now = time.monotonic()
            if now < self._next_try:
                return None
            self._next_try = now + RETRY_SECONDS
            self._engine = reader = Reader(self._data)
        except ArtifError as error:
            logging.getLogger("artif").warning("no answers yet: %s", error)
            return None
        else:
            return reader
        finally:
            self._lock.release()

    def rule(self, peer: str | None, values: Iterable[str | bytes] = ()) -> Ruling:
        """Rule on a request, and log it where it is not simply let through."""
        ruling = self.gatekeeper.rule(self.engine(), peer, values)
        if ruling.action != "pass":
            self.record(ruling)
        return ruling

    @staticmethod
    def record(ruling: Ruling) -> None:
        """Log a ruling."""
        log.warning("%s", ruling.to_log_json(), extra={"artif": ruling})

    def reputation(self, peer: str | None, values: Iterable[str | bytes] = ()) -> Reputation | None:
        """Return the answer for a client without ruling on it."""
        client = self.gatekeeper.client(peer, values)
        engine = self.engine()
        if client is None or engine is None:
            return None
        if isinstance(engine, Member) and not engine.has_snapshot:
            return None
        return engine.check(client)


def _member(
    config: str | os.PathLike[str] | Mapping[str, Any], data: str | os.PathLike[str] | None
) -> Member:
    if isinstance(config, Mapping):
        settings = dict(config)
        folder = data if data is not None else settings.get("data")
        return Member(data=folder, **{k: v for k, v in settings.items() if k != "data"})
    return Member(config, data=data)


def body(ruling: Ruling) -> str:
    """Return what a refused client is told: where to point when it complains, never why."""
    return f"Forbidden\nReference: {ruling.reference}\n"


def wsgi_key(header: str | None) -> str | None:
    """Return the name of a header in a WSGI environment."""
    return None if header is None else "HTTP_" + header.upper().replace("-", "_")
