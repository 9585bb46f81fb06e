"""IP reputation inside the application: threat feeds in, a verdict with its reasons out.

One process owns a data folder and refreshes it; any number of others answer from it.

>>> import artif
>>> engine = artif.Engine(in_memory=True)
>>> answer = engine.check("8.8.8.8")
>>> answer.verdict, answer.score
('No action needed', 100.0)

Scores go from 0 (certainly bad) to 100 (safe). Lookups never touch disk or network and never wait
for a refresh. For web applications see `artif.django`, `artif.flask`, `artif.asgi` and
`artif.wsgi`; all errors are in `artif.errors`.
"""

from __future__ import annotations

from artif import errors
from artif._artif import Gatekeeper, Reputation, Ruling, __version__
from artif._engine import Engine, Reader
from artif._model import Change, Evidence, Explanation, PastReputation, RefreshReport, Term
from artif.errors import ArtifError

__all__ = [
    "ArtifError",
    "Change",
    "Engine",
    "Evidence",
    "Explanation",
    "Gatekeeper",
    "PastReputation",
    "Reader",
    "RefreshReport",
    "Reputation",
    "Ruling",
    "Term",
    "__version__",
    "errors",
]
