"""One table of requests for every framework."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

import artif
import artif.asgi
import artif.wsgi
from conftest import BAD, GOOD

OPTIONS = {
    "mode": "enforce",
    "trusted_proxies": ["10.0.0.0/8"],
    "exempt": ["/health", "/static/*"],
}
PROXY = "10.0.0.7"

Ask = Callable[[str, str | None, list[str]], tuple[int, str]]


def ask_wsgi(data: Path, **options: object) -> Ask:
    def app(environ, start_response):
        start_response("200 OK", [])
        reputation = environ.get("artif.reputation")
        return [b"none" if reputation is None else reputation.ip.encode()]

    guarded = artif.wsgi.ReputationMiddleware(app, data=data, **options)

    def ask(path: str, peer: str | None, forwarded: list[str]) -> tuple[int, str]:
        environ = {"PATH_INFO": path}
        if peer is not None:
            environ["REMOTE_ADDR"] = peer
        if forwarded:
            environ["HTTP_X_FORWARDED_FOR"] = ",".join(forwarded)
        seen: list[int] = []
        body = guarded(environ, lambda status, headers: seen.append(int(status[:3])))
        return seen[0], b"".join(body).decode()

    return ask


def ask_asgi(data: Path, **options: object) -> Ask:
    async def app(scope, receive, send):
        reputation = scope.get("state", {}).get("reputation")
        text = b"none" if reputation is None else reputation.ip.encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text})

    guarded = artif.asgi.ReputationMiddleware(app, data=data, **options)

    def ask(path: str, peer: str | None, forwarded: list[str]) -> tuple[int, str]:
        scope = {
            "type": "http",
            "path": path,
            "client": None if peer is None else (peer, 4711),
            "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
        }
        sent: list[dict] = []

        async def send(message: dict) -> None:
            sent.append(message)

        async def receive() -> dict:
            return {"type": "http.request", "body": b""}

        asyncio.run(guarded(scope, receive, send))
        return sent[0]["status"], sent[1]["body"].decode()

    return ask


def ask_flask(data: Path, **options: object) -> Ask:
    flask = pytest.importorskip("flask")
    from artif.flask import Artif

    app = flask.Flask("app", static_folder=None)
    guard = Artif(data=data, **options)
    guard.init_app(app)

    @app.get("/<path:path>")
    @app.get("/", defaults={"path": ""})
    def view(path: str) -> str:
        return "none" if flask.g.reputation is None else flask.g.reputation.ip

    @app.get("/exempt")
    @guard.exempt
    def exempt() -> str:
        return "none"

    def ask(path: str, peer: str | None, forwarded: list[str]) -> tuple[int, str]:
        headers = [("X-Forwarded-For", value) for value in forwarded]
        base = {"REMOTE_ADDR": peer or ""}
        answer = app.test_client().get(path, headers=headers, environ_overrides=base)
        return answer.status_code, answer.text

    return ask


MAKERS = [ask_wsgi, ask_asgi, ask_flask]

TABLE = [
    ("a bad peer", "/", BAD, [], 403),
    ("a good peer", "/", GOOD, [], 200),
    ("blocked by an operator", "/", "8.8.4.4", [], 403),
    ("mapped", "/", f"::ffff:{BAD}", [], 403),
    ("IPv6", "/", "2001:470:1::9", [], 403),
    ("private", "/", "10.1.2.3", [], 200),
    ("unknown passes", "/", None, [], 200),
    ("behind the proxy", "/", PROXY, [BAD], 403),
    ("behind the proxy, good", "/", PROXY, [GOOD], 200),
    ("a lie further left does not help", "/", PROXY, [f"{GOOD}, {BAD}"], 403),
    ("a lie further left does not hurt", "/", PROXY, [f"{BAD}, {GOOD}"], 200),
    ("a lie in its own header", "/", PROXY, [BAD, GOOD], 200),
    ("who is no proxy is not believed", "/", BAD, [GOOD], 403),
    ("exempt", "/health", BAD, [], 200),
    ("exempt below", "/static/logo.svg", BAD, [], 200),
    ("not exempt", "/healthy", BAD, [], 403),
    ("a way out of an exempt path", "/static/../login", BAD, [], 403),
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[4:])
def test_requests(make: Callable[..., Ask], data: Path) -> None:
    ask = make(data, **OPTIONS)
    for about, path, peer, forwarded, expected in TABLE:
        status, text = ask(path, peer, forwarded)
        assert status == expected, about
        if status == 403:
            assert "Reference: " in text, about
            assert "mine" not in text, "never the reason"


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[4:])
def test_monitoring_only_logs(
    make: Callable[..., Ask], data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ask = make(data)
    with caplog.at_level(logging.WARNING, "artif.requests"):
        assert ask("/", BAD, []) == (200, BAD)
        assert ask("/", GOOD, []) == (200, GOOD)
    assert len(caplog.records) == 1
    line = json.loads(caplog.records[0].getMessage())
    assert (line["action"], line["ip"], line["feeds"]) == ("flag", BAD, ["mine"])
    assert caplog.records[0].artif.reputation.is_active


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[4:])
def test_without_a_snapshot_the_policy_decides(make: Callable[..., Ask], tmp_path: Path) -> None:
    assert make(tmp_path, mode="enforce")("/", BAD, [])[0] == 200
    assert make(tmp_path, mode="enforce", unknown="block")("/", GOOD, [])[0] == 403


def test_flask_exemptions(data: Path) -> None:
    assert ask_flask(data, mode="enforce")("/exempt", BAD, [])[0] == 200


def test_websocket_is_closed_before_it_is_accepted(data: Path) -> None:
    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})

    guarded = artif.asgi.ReputationMiddleware(app, data=data, mode="enforce")

    async def handshake(peer: str) -> list[str]:
        sent: list[dict] = []

        async def send(message: dict) -> None:
            sent.append(message)

        async def receive() -> dict:
            return {"type": "websocket.connect"}

        scope = {"type": "websocket", "path": "/", "client": (peer, 1), "headers": []}
        await guarded(scope, receive, send)
        return [message["type"] for message in sent]

    assert asyncio.run(handshake(BAD)) == ["websocket.close"]
    assert asyncio.run(handshake(GOOD)) == ["websocket.accept"]


def test_options_that_make_no_sense(data: Path) -> None:
    for options in (
        {"mod": "enforce"},
        {"mode": "on"},
        {"trusted_proxies": ["x"]},
        {"block_below": 200},
    ):
        with pytest.raises(ValueError):
            artif.wsgi.ReputationMiddleware(lambda *_: [], data=data, **options)
    with pytest.raises(TypeError):
        artif.wsgi.ReputationMiddleware(lambda *_: [])
