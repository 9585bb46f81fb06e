"""Reputation for Django, synchronous and asynchronous.

    INSTALLED_APPS = [..., "artif.django"]
    MIDDLEWARE = ["artif.django.ReputationMiddleware", ...]
    ARTIF = {"config": "/etc/artif.toml", "mode": "enforce", "trusted_hops": 1}

`ARTIF` has the keys of the section `[middleware]`, and `config`, `data` or `engine`: see
`artif.wsgi.ReputationMiddleware`. As an installed app it
brings system checks, the command `manage.py artif`, and the template `artif/blocked.html`, which
a project can replace.
"""

from __future__ import annotations

from artif.django._middleware import (
    ReputationMiddleware,
    exempt,
    gate,
    request_blocked,
    request_flagged,
)

__all__ = ["ReputationMiddleware", "exempt", "gate", "request_blocked", "request_flagged"]
