"""Reputation for any WSGI application.

>>> import artif, artif.wsgi
>>> def app(environ, start_response):
...     start_response("200 OK", [])
...     return [environ["artif.reputation"].verdict.encode()]
>>> engine = artif.Engine(in_memory=True)
>>> guarded = artif.wsgi.ReputationMiddleware(app, engine=engine, mode="enforce")
>>> guarded({"REMOTE_ADDR": "8.8.8.8"}, lambda status, headers: print(status))
200 OK
[b'No action needed']
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from artif._engine import Engine, Member, Reader
from artif._web import Gate, body, wsgi_key

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["ReputationMiddleware"]


class ReputationMiddleware:
    """Rules on each request before the application sees it.

    `environ["artif.reputation"]` is the client's `artif.Reputation`, None where the client is not
    known; `environ["artif.ruling"]` the `artif.Ruling`.

    `config` is an `artif.toml`, or its keys as a dict: then one of the server's workers refreshes,
    and all follow (`artif.Member`). `data` is a folder that something else refreshes, to be read
    only. Options are those of `[middleware]`, and count over that section of `config`.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        data: str | os.PathLike[str] | None = None,
        engine: Engine | Member | Reader | None = None,
        **options: Any,
    ) -> None:
        self.app = app
        self.gate = Gate(config=config, data=data, engine=engine, **options)
        self._key = wsgi_key(self.gate.header)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if self.gate.gatekeeper.is_exempt(path):
            return self.app(environ, start_response)
        value = environ.get(self._key) if self._key else None
        ruling = self.gate.rule(environ.get("REMOTE_ADDR"), () if value is None else (value,))
        environ["artif.ruling"] = ruling
        environ["artif.reputation"] = ruling.reputation
        if ruling.action == "block":
            text = body(ruling).encode()
            headers = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(text))),
                ("Cache-Control", "no-store"),
            ]
            start_response("403 Forbidden", headers)
            return [text]
        return self.app(environ, start_response)
