"""Engines and readers: the native ones with what is easier said in Python."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from artif import _artif
from artif._model import Evidence, Explanation, Json, PastReputation, RefreshReport

Address = str | bytes | int | IPv4Address | IPv6Address
Progress = Callable[[Json], object]

_open: weakref.WeakSet[Reader | Member] = weakref.WeakSet()


class _Questions:
    """What owners and readers answer alike."""

    _explain: Callable[[Address], tuple[str, str]]
    _history: Callable[[Address], list[Json]]
    _check_at: Callable[[Address, datetime], Json]

    def explain(self, ip: Address) -> Explanation:
        """Answer with all reasons; `print` the explanation to read it."""
        return Explanation(*self._explain(ip))

    def history(self, ip: Address) -> list[Evidence]:
        """Return every listing of the address within the retention: active ones first."""
        return [Evidence._from(fields) for fields in self._history(ip)]

    def check_at(self, ip: Address, at: datetime) -> PastReputation:
        """Return what was known of the address at a moment; a time without zone is UTC."""
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        return PastReputation._from(self._check_at(ip, at))


class Reader(_Questions, _artif.Reader):
    __doc__ = _artif.Reader.__doc__

    def __init__(self, data: str | os.PathLike[str]) -> None:
        _open.add(self)


class Member(_Questions, _artif.Member):
    __doc__ = _artif.Member.__doc__

    def __init__(
        self,
        config: str | os.PathLike[str] | None = None,
        *,
        data: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        _open.add(self)


class Engine(_Questions, _artif.Engine):
    __doc__ = _artif.Engine.__doc__

    def refresh(
        self,
        *,
        feeds: Iterable[str] | None = None,
        progress: Progress | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> RefreshReport:
        """Fetch feeds, and publish a new snapshot if an answer may differ.

        `progress` is called with a dict for each event, from another thread. Ctrl-C stops the
        refresh; what was committed by then stays, each feed whole. `dry_run` says what would
        change and writes nothing; `force` takes what the guard would refuse.
        """
        return self._report(_artif.Cancel(), feeds, progress, force, dry_run)

    async def refresh_async(
        self,
        *,
        feeds: Iterable[str] | None = None,
        progress: Progress | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> RefreshReport:
        """Like `refresh`, off the event loop. Cancelling the task stops the refresh."""
        cancel = _artif.Cancel()
        work = partial(self._report, cancel, feeds, progress, force, dry_run)
        running = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancel.set()
            # The engine's own word for it is of no interest to who cancelled.
            await asyncio.wait([running])
            running.exception()
            raise

    def spawn_refresh(
        self, on_event: Callable[[str, Any], object] | None = None
    ) -> _artif.Refresher:
        """Keep everything current from a thread of its own: each feed when it is due.

        `on_event` is called with what happens, from that thread: ("waiting", until when),
        ("refreshed", report), ("geo", report) or ("failed", error text). Stop it before the engine
        is closed, and before a fork.
        """
        return self._spawn_refresh(on_event)

    def accept_feed(self, id: str) -> RefreshReport:  # noqa: A002
        """Take the content that the guard refused of a feed, after a look at it."""
        return RefreshReport._from(self._accept_feed(id))

    def allow(
        self,
        network: str,
        *,
        reason: str | None = None,
        author: str | None = None,
        expires: datetime | None = None,
    ) -> None:
        """Let a network in, whatever feeds say; counts in every process within a second."""
        self._override(network, "allow", reason=reason, author=author, expires=_aware(expires))

    def block(
        self,
        network: str,
        *,
        reason: str | None = None,
        author: str | None = None,
        expires: datetime | None = None,
    ) -> None:
        """Keep a network out, whatever feeds say; counts in every process within a second."""
        self._override(network, "block", reason=reason, author=author, expires=_aware(expires))

    def _report(
        self,
        cancel: _artif.Cancel,
        feeds: Iterable[str] | None,
        progress: Progress | None,
        force: bool,
        dry_run: bool,
    ) -> RefreshReport:
        fields: dict[str, Any] = self._refresh(
            feeds=None if feeds is None else list(feeds),
            progress=progress,
            force=force,
            dry_run=dry_run,
            cancel=cancel,
        )
        return RefreshReport._from(fields)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _before_fork() -> None:
    # A child that inherits the folder's lock would keep it for as long as it lives.
    for reader in list(_open):
        if isinstance(reader, Member):
            reader.resign()


def _after_fork() -> None:
    for reader in list(_open):
        reader._after_fork()


if hasattr(os, "register_at_fork"):
    # Threads stay in the parent: without this a child would answer from an old snapshot for ever.
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
