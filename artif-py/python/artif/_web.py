"""What the middleware of all frameworks shares: where answers come from, what is logged."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

from artif._artif import Gatekeeper, Reputation, Ruling
from artif._engine import Engine, Reader
from artif.errors import ArtifError

log = logging.getLogger("artif.requests")
"""Flagged and blocked requests, one JSON object a line; `record.artif` is the ruling."""

RETRY_SECONDS = 1.0


class Gate:
    """Rules on requests for one application.

    `data` is the folder of an engine that some process refreshes (`artif refresh` by cron, or an
    `artif.Engine` of yours); each worker opens it by itself when the first request arrives. Until
    there is a snapshot no client is known, and the option `unknown` decides. `engine` is an
    `artif.Engine` or `artif.Reader` to use in its place.
    """

    def __init__(
        self,
        *,
        data: str | os.PathLike[str] | None = None,
        engine: Engine | Reader | None = None,
        **options: Any,
    ) -> None:
        if (data is None) == (engine is None):
            raise TypeError("artif middleware needs either data=FOLDER or engine=ENGINE")
        self.gatekeeper = Gatekeeper(**options)
        self.header = self.gatekeeper.header
        self._data = data
        self._engine = engine
        self._lock = threading.Lock()
        self._next_try = 0.0

    def engine(self) -> Engine | Reader | None:
        """Return what answers, None while there is no snapshot."""
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
        return None if client is None or engine is None else engine.check(client)


def body(ruling: Ruling) -> str:
    """Return what a refused client is told: where to point when it complains, never why."""
    return f"Forbidden\nReference: {ruling.reference}\n"


def wsgi_key(header: str | None) -> str | None:
    """Return the name of a header in a WSGI environment."""
    return None if header is None else "HTTP_" + header.upper().replace("-", "_")
