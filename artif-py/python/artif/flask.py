"""Reputation for Flask.

artif = Artif(app, config="artif.toml", mode="enforce", trusted_hops=1)

@app.get("/")
def home():
    return g.reputation.verdict

@app.get("/health")
@artif.exempt
def health():
    return "ok"
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, current_app, g, request

from artif._engine import Engine, Member, Reader
from artif._web import Gate, body, wsgi_key

__all__ = ["Artif"]

View = TypeVar("View", bound=Callable[..., Any])

EXTENSION = "artif"


class Artif:
    """Rules on each request before its view runs.

    `flask.g.reputation` is the client's `artif.Reputation`, None where the client is not known or
    the view is exempt; `flask.g.artif` the `artif.Ruling`. Options are those of `[middleware]`, and
    can be given by `app.config["ARTIF"]` too.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        data: str | os.PathLike[str] | None = None,
        engine: Engine | Member | Reader | None = None,
        **options: Any,
    ) -> None:
        self._options: dict[str, Any] = {
            "config": config,
            "data": data,
            "engine": engine,
            **options,
        }
        self._blueprints: set[str] = set()
        self._refused: Callable[[Any], Any] | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Guard an application; one extension can guard several."""
        given = {key: value for key, value in self._options.items() if value is not None}
        app.extensions[EXTENSION] = Gate(**{**app.config.get("ARTIF", {}), **given})
        app.before_request(self._before_request)

    def exempt(self, view: View) -> View:
        """Let requests to a view, or to all of a blueprint, through unseen."""
        if isinstance(view, Blueprint):
            self._blueprints.add(view.name)
        else:
            view._artif_exempt = True  # type: ignore[attr-defined]
        return view

    def refused(self, handler: View) -> View:
        """Make the response to refused requests by your own function of the `artif.Ruling`."""
        self._refused = handler
        return handler

    def _before_request(self) -> Any:
        gate: Gate = current_app.extensions[EXTENSION]
        g.artif = g.reputation = None
        if self._is_exempt(gate):
            return None
        key = wsgi_key(gate.header)
        value = request.environ.get(key) if key else None
        ruling = gate.rule(request.environ.get("REMOTE_ADDR"), () if value is None else (value,))
        g.artif, g.reputation = ruling, ruling.reputation
        if ruling.action != "block":
            return None
        if self._refused is not None:
            return self._refused(ruling)
        return Response(body(ruling), 403, {"Cache-Control": "no-store"}, "text/plain")

    def _is_exempt(self, gate: Gate) -> bool:
        if gate.gatekeeper.is_exempt(request.path):
            return True
        if not self._blueprints.isdisjoint(request.blueprints):
            return True
        view = current_app.view_functions.get(request.endpoint or "")
        return getattr(view, "_artif_exempt", False)
