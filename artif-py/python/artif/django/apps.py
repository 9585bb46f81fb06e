"""The app: system checks, command, template."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured


class ArtifConfig(AppConfig):
    """What INSTALLED_APPS gets for "artif.django"."""

    name = "artif.django"
    label = "artif"
    verbose_name = "IP reputation"

    def ready(self) -> None:
        """Register the checks."""
        register(check_settings)


def check_settings(**_: object) -> list[CheckMessage]:
    """Say at start what would only fail at the first request."""
    from django.conf import settings  # noqa: PLC0415

    from artif.django import gate  # noqa: PLC0415

    try:
        made = gate()
    except (ImproperlyConfigured, ImportError) as error:
        return [Error(str(error), id="artif.E001")]
    found: list[CheckMessage] = []
    if "artif.django.ReputationMiddleware" not in settings.MIDDLEWARE:
        hint = 'add "artif.django.ReputationMiddleware" to MIDDLEWARE, as its first'
        found.append(Warning("requests are not looked at", hint=hint, id="artif.W001"))
    if not made.is_member and made.engine() is None:
        hint = "run `manage.py artif refresh` or `artif refresh` for this folder"
        found.append(Warning("there is no snapshot to answer from yet", hint, id="artif.W002"))
    return found
