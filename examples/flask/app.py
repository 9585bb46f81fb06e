"""Flask behind one proxy, with reputation on every request.

`python app.py` asks it as two clients; `flask --app app run` serves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from artif.flask import Artif
from flask import Flask, g

sys.path.insert(0, str(Path(__file__).parents[1]))
from samples import BAD, GOOD, data_folder

app = Flask(__name__)
guard = Artif(app, data=data_folder(), mode="enforce", trusted_hops=1)


@app.get("/")
def home() -> str:
    """Greet whoever gets this far."""
    reputation = g.reputation
    return (
        f"{reputation.ip}: {reputation.verdict}, score {reputation.score}, {reputation.country}\n"
    )


@app.get("/health")
@guard.exempt
def health() -> str:
    """Answer the load balancer, whatever it looks like."""
    return "ok\n"


if __name__ == "__main__":
    for client in (GOOD, BAD):
        answer = app.test_client().get("/", headers={"X-Forwarded-For": client})
        print(answer.status_code, answer.text)
