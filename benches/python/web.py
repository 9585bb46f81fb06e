"""What the middleware adds to a request in Django, and what finding the client costs elsewhere."""

from __future__ import annotations

import django
from django.conf import settings

import artif
from support import compare, entries, goal, prepared, questions, table

REQUESTS = 3_000


def main() -> None:
    """Print the table."""
    given = prepared()
    with artif.Engine(data=given.data, **given.settings) as engine:
        engine.refresh()
    reader = artif.Reader(given.data)
    lists = [(name, entries(file)) for name, file in given.files]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="x",
        ARTIF={"engine": reader, "mode": "monitor", "trusted_hops": 1, "block": []},
    )
    django.setup()
    from django.core.handlers.base import BaseHandler
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django.urls import path
    from ipware import get_client_ip

    globals()["urlpatterns"] = [path("", lambda _: HttpResponse("ok"))]

    def handler(*middleware: str) -> BaseHandler:
        made = BaseHandler()
        settings.MIDDLEWARE = list(middleware)
        made.load_middleware()
        return made

    bare, guarded = handler(), handler("artif.django.ReputationMiddleware")
    ips = questions(lists, REQUESTS)["web"]
    factory = RequestFactory()

    # Before the clock runs: a server makes requests with and without middleware alike.
    def requests() -> list:
        return [
            factory.get("/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=f"1.2.3.4, {ip}")
            for ip in ips
        ]

    some = requests()
    taken = compare(
        {
            "Django, bare": lambda: [bare.get_response(request) for request in some],
            "Django, guarded": lambda: [guarded.get_response(request) for request in some],
            "django-ipware alone": lambda: [get_client_ip(request) for request in some],
        },
        len(some),
        9,
    )
    middleware = alone(some)
    empty = compare({"pass": middleware["nothing"]}, len(some), 9)["pass"]
    ours = compare({"ours": middleware["artif"]}, len(some), 9)["ours"] - empty
    rows = {name: (f"{micros:.2f}",) for name, micros in taken.items()}
    rows["the middleware alone"] = (f"{ours:.2f}",)
    table("One request, CPU µs", ["web"], rows)
    share = 100 * ours / taken["Django, bare"]
    print("middleware, % of a bare handler:", goal(share, 5, more_is_better=False))
    print("django-ipware / middleware:", goal(taken["django-ipware alone"] / ours, 10))


def alone(some: list) -> dict:
    """Call the middleware, and a middleware that does nothing, with nothing behind them."""
    from artif.django import ReputationMiddleware

    class Nothing:
        def __init__(self, get_response) -> None:
            self.get_response = get_response

        def __call__(self, request):
            return self.get_response(request)

    made = {"artif": ReputationMiddleware(lambda _: None), "nothing": Nothing(lambda _: None)}

    def each(middleware):
        return lambda: [middleware(request) for request in some]

    return {name: each(middleware) for name, middleware in made.items()}


if __name__ == "__main__":
    main()
