"""Django in one file, behind one proxy, with reputation on every request.

`python app.py` asks it as two clients; `python app.py runserver` serves, and
`python app.py artif status` is the artif command line on its folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse
from django.urls import path

import django

sys.path.insert(0, str(Path(__file__).parents[1]))
from samples import BAD, GOOD, data_folder

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="an example keeps no secrets",
    INSTALLED_APPS=["artif.django"],
    MIDDLEWARE=["artif.django.ReputationMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    ARTIF={"data": data_folder(), "mode": "enforce", "trusted_hops": 1, "exempt": ["/health"]},
)
django.setup()


def home(request: HttpRequest) -> HttpResponse:
    """Greet whoever gets this far."""
    reputation = request.reputation
    return HttpResponse(f"{reputation.ip}: {reputation.verdict}, score {reputation.score}\n")


urlpatterns = [path("", home), path("health", lambda _: HttpResponse("ok\n"))]

if __name__ == "__main__":
    if len(sys.argv) > 1:
        execute_from_command_line(sys.argv)
    else:
        from django.test import Client

        for client in (GOOD, BAD):
            answer = Client().get("/", headers={"x-forwarded-for": client})
            print(answer.status_code, answer.content.decode())
