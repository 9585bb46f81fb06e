"""Reputation for ASGI applications: Starlette, FastAPI, Litestar, or none of them.

app = FastAPI()
app.add_middleware(artif.asgi.ReputationMiddleware, config="artif.toml", mode="enforce")

@app.get("/")
def home(request: Request):
    return request.state.reputation.verdict
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from artif._engine import Engine, Member, Reader
from artif._web import Gate, body

__all__ = ["ReputationMiddleware"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008


class ReputationMiddleware:
    """Rules on each request and WebSocket before the application sees it.

    `scope["state"]["reputation"]`, in Starlette and FastAPI `request.state.reputation`, is the
    client's `artif.Reputation`, None where the client is not known; `scope["artif"]` is the
    `artif.Ruling`. Options are those of `[middleware]`.
    """

    def __init__(
        self,
        app: App,
        *,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        data: str | os.PathLike[str] | None = None,
        engine: Engine | Member | Reader | None = None,
        **options: Any,
    ) -> None:
        self.app = app
        self.gate = Gate(config=config, data=data, engine=engine, **options)
        self._header = None if self.gate.header is None else self.gate.header.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in {"http", "websocket"} or self.gate.gatekeeper.is_exempt(scope["path"]):
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        values = ()
        if self._header is not None:
            values = tuple(v for name, v in scope["headers"] if name.lower() == self._header)
        ruling = self.gate.rule(client[0] if client else None, values)
        scope["artif"] = ruling
        scope.setdefault("state", {})["reputation"] = ruling.reputation
        if ruling.action != "block":
            await self.app(scope, receive, send)
        elif kind == "websocket":
            # Before it is accepted, servers answer the handshake with 403.
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            text = body(ruling).encode()
            headers = [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(text)).encode()),
                (b"cache-control", b"no-store"),
            ]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": text})
