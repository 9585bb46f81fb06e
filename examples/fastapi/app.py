"""FastAPI behind one proxy, with reputation on every request.

`python app.py` asks it as two clients; `uvicorn app:app` serves.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from artif.asgi import ReputationMiddleware
from fastapi import FastAPI, Request

sys.path.insert(0, str(Path(__file__).parents[1]))
from samples import BAD, GOOD, data_folder

app = FastAPI()
app.add_middleware(ReputationMiddleware, data=data_folder(), mode="enforce", trusted_hops=1)


@app.get("/")
def home(request: Request) -> dict[str, Any]:
    """Tell whoever gets this far what is known of it."""
    return request.state.reputation.to_dict()


if __name__ == "__main__":
    from fastapi.testclient import TestClient

    for client in (GOOD, BAD):
        answer = TestClient(app).get("/", headers={"X-Forwarded-For": client})
        print(answer.status_code, answer.text)
