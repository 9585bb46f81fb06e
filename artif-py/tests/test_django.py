from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from conftest import BAD, GOOD

django = pytest.importorskip("django")
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import AsyncClient, Client  # noqa: E402
from django.urls import path as route  # noqa: E402


def home(request):
    return HttpResponse("none" if request.reputation is None else request.reputation.verdict)


async def async_home(request):
    return HttpResponse(request.reputation.verdict)


class Urls:
    urlpatterns: tuple = ()


@pytest.fixture(scope="module")
def urls(data: Path) -> type:
    settings.configure(
        SECRET_KEY="x",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=Urls,
        INSTALLED_APPS=["artif.django"],
        MIDDLEWARE=["artif.django.ReputationMiddleware"],
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        ARTIF={"data": data, "mode": "enforce", "trusted_hops": 1, "exempt": ["/health"]},
    )
    django.setup()
    from artif.django import exempt

    Urls.urlpatterns = [
        route("", home),
        route("health", home),
        route("async", async_home),
        route("exempt", exempt(home)),
    ]
    return Urls


def test_requests(urls: type) -> None:
    from artif.django import request_blocked

    blocked: list[str] = []
    request_blocked.connect(lambda ruling, **_: blocked.append(ruling.reputation.ip), weak=False)
    client = Client()

    def get(path: str, forwarded: str) -> tuple[int, str]:
        answer = client.get(path, headers={"x-forwarded-for": forwarded})
        return answer.status_code, answer.content.decode()

    assert get("/", GOOD) == (200, "No action needed")
    status, page = get("/", f"{GOOD}, {BAD}")
    assert (status, blocked) == (403, [BAD])
    assert "<code>" in page
    assert "mine" not in page
    assert get("/health", BAD) == (200, "dangerous")
    assert get("/exempt", BAD) == (200, "dangerous")
    assert get("/nowhere", BAD)[0] == 403
    assert get("/nowhere", GOOD)[0] == 404
    assert client.get("/").status_code == 200, "no header: not known, and that passes"


def test_asynchronously(urls: type) -> None:
    async def ask() -> tuple[int, int]:
        client = AsyncClient()
        good = await client.get("/async", headers={"x-forwarded-for": GOOD})
        bad = await client.get("/async", headers={"x-forwarded-for": BAD})
        return good.status_code, bad.status_code

    assert asyncio.run(ask()) == (200, 403)


def test_checks(urls: type) -> None:
    from artif.django import gate
    from artif.django.apps import check_settings

    assert check_settings() == []
    good = settings.ARTIF
    try:
        gate.cache_clear()
        settings.ARTIF = {"data": "x", "mode": "of course"}
        assert [found.id for found in check_settings()] == ["artif.E001"]
        settings.ARTIF = {"data": "/nowhere"}
        gate.cache_clear()
        assert [found.id for found in check_settings()] == ["artif.W002"]
    finally:
        settings.ARTIF = good
        gate.cache_clear()


def test_command(urls: type, capfd: pytest.CaptureFixture[str]) -> None:
    call_command("artif", "check", BAD)
    assert "dangerous" in capfd.readouterr().out
