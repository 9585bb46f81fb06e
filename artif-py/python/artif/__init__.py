"""IP reputation inside the application: threat feeds in, a verdict with its reasons out.

One process owns a data folder and refreshes it; any number of others answer from it. Equal
processes, such as the workers of a web server, are each a `Member`: one of them is the owner.

>>> import artif
>>> engine = artif.Engine(in_memory=True)
>>> answer = engine.check("8.8.8.8")
>>> answer.verdict, round(answer.score)
('No action needed', 99)

Many addresses, from lists, NumPy, Arrow, polars or pandas, are answered in columns:

>>> columns = engine.check_columns(["8.8.8.8", "10.1.2.3"])
>>> [round(score) for score in columns.score], list(columns.verdict)
([99, 100], ['No action needed', 'not_applicable'])

Scores go from 0 (certainly bad) to 100 (safe); 99 is what is not known to be either. Lookups never
touch disk or network and never wait for a refresh. For web applications see `artif.django`,
`artif.flask`, `artif.asgi` and `artif.wsgi`; all errors are in `artif.errors`.
"""

from __future__ import annotations

from artif import errors
from artif._artif import (
    BacktestReport,
    Column,
    Columns,
    FeedsReport,
    Gatekeeper,
    Refresher,
    Reputation,
    Ruling,
    __version__,
    backtest,
)
from artif._engine import Engine, Member, Reader
from artif._model import Change, Evidence, Explanation, PastReputation, RefreshReport, Term
from artif.errors import ArtifError

__all__ = [
    "ArtifError",
    "BacktestReport",
    "Change",
    "Column",
    "Columns",
    "Engine",
    "Evidence",
    "Explanation",
    "FeedsReport",
    "Gatekeeper",
    "Member",
    "PastReputation",
    "Reader",
    "RefreshReport",
    "Refresher",
    "Reputation",
    "Ruling",
    "Term",
    "__version__",
    "backtest",
    "errors",
]
