"""The middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from artif._artif import Ruling
from artif._web import Gate, body, wsgi_key
from artif.errors import ArtifError

request_blocked = Signal()
"""A request was refused; receivers get `request` and `ruling`."""

request_flagged = Signal()
"""A request would have been refused if the mode were "enforce"; like `request_blocked`."""

View = TypeVar("View", bound=Callable[..., Any])


def exempt(view: View) -> View:
    """Let requests to a view through unseen; for class-based views, decorate `as_view()`."""

    # A wrapper, since the same view may stand behind another address that is not exempt.
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **kwargs)

    def called(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    wrapped: Any = wraps(view)(awaited if iscoroutinefunction(view) else called)
    wrapped.artif_exempt = True
    return cast("View", wrapped)


@lru_cache(maxsize=1)
def gate() -> Gate:
    """Return the gate of this process, made from `settings.ARTIF`."""
    options = dict(getattr(settings, "ARTIF", {}))
    if isinstance(options.get("engine"), str):
        engine = import_string(options["engine"])
        options["engine"] = engine() if callable(engine) else engine
    try:
        return Gate(**options)
    except (ArtifError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"settings.ARTIF: {error}") from error


class ReputationMiddleware:
    """Rules on each request before the rest of Django sees it.

    `request.reputation` is the client's `artif.Reputation`, None where the client is not known.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]
    ) -> None:
        self.get_response = get_response
        self._gate = gate()
        self._key = wsgi_key(self._gate.header)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        refused = self._refuse(request)
        if refused is None:
            return self.get_response(request)
        if iscoroutinefunction(self):
            return _done(refused)
        return refused

    def _refuse(self, request: HttpRequest) -> HttpResponse | None:
        peer = request.META.get("REMOTE_ADDR")
        value = request.META.get(self._key) if self._key else None
        values = () if value is None else (value,)
        if self._gate.gatekeeper.is_exempt(request.path):
            lazy = SimpleLazyObject(lambda: self._gate.reputation(peer, values))
            request.reputation = lazy  # type: ignore[attr-defined]
            return None
        ruling = self._gate.gatekeeper.rule(self._gate.engine(), peer, values)
        request.reputation = ruling.reputation  # type: ignore[attr-defined]
        if ruling.action == "pass" or _leads_to_exempt(request):
            return None
        self._gate.record(ruling)
        if ruling.action == "flag":
            request_flagged.send(type(self), request=request, ruling=ruling)
            return None
        request_blocked.send(type(self), request=request, ruling=ruling)
        return _refusal(request, ruling)


async def _done(response: HttpResponse) -> HttpResponse:
    return response


def _leads_to_exempt(request: HttpRequest) -> bool:
    # Asked of flagged and refused requests only, so that the others are not resolved twice.
    try:
        return getattr(resolve(request.path_info).func, "artif_exempt", False)
    except Resolver404:
        return False


def _refusal(request: HttpRequest, ruling: Ruling) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    try:
        page = render_to_string("artif/blocked.html", {"reference": ruling.reference}, request)
    except TemplateDoesNotExist:
        return HttpResponseForbidden(body(ruling), "text/plain; charset=utf-8", headers=headers)
    return HttpResponseForbidden(page, headers=headers)
