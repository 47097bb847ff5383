"""Settings: read once, named when they are wrong."""

import sys
from pathlib import Path

import pytest

from shared.settings import ServiceSettings, read
from tests.builders import TEST_SECRET

GOOD = {"PORTICO_SECRET_KEY": TEST_SECRET}


def test_safe_defaults_and_what_the_environment_says() -> None:
    settings = read(ServiceSettings, GOOD | {"PORTICO_RETRY_DELAYS_S": "0.5,2"})
    assert (settings.secret_key, settings.retry_delays_s) == (TEST_SECRET, (0.5, 2))
    assert read(ServiceSettings, GOOD).retry_delays_s == (5, 30, 120, 600, 3600)
    assert read(ServiceSettings, GOOD).mongo_driver == "pymongo"
    assert read(ServiceSettings, GOOD | {"MONGO_DRIVER": "motor"}).mongo_driver == "motor"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "PORTICO_SECRET_KEY"),
        ({"PORTICO_SECRET_KEY": "short"}, "PORTICO_SECRET_KEY"),
        (GOOD | {"MONGO_URL": "localhost"}, "MONGO_URL"),
        (GOOD | {"MONGO_DRIVER": "short"}, "MONGO_DRIVER"),
        (GOOD | {"RABBITMQ_URL": "http://x"}, "RABBITMQ_URL"),
        (GOOD | {"PORTICO_RETRY_DELAYS_S": "5,soon"}, "PORTICO_RETRY_DELAYS_S"),
        (GOOD | {"PORTICO_LOG_LEVEL": "loud"}, "PORTICO_LOG_LEVEL"),
        (GOOD | {"PORTICO_BASE_URL": "portal.example"}, "PORTICO_BASE_URL"),
        (GOOD | {"PORTICO_BASE_URL": "https://portal.example?x"}, "PORTICO_BASE_URL"),
        (GOOD | {"PORTICO_BASE_URL": "https://ana:short@portal.example"}, "PORTICO_BASE_URL"),
        (GOOD | {"PORTICO_BASE_URL": "https://ü..example"}, "PORTICO_BASE_URL"),
        ({"PORTICO_SECRET_KEY_FILE": "/nowhere/at/all"}, "PORTICO_SECRET_KEY_FILE"),
    ],
)
def test_a_wrong_or_missing_setting_stops_the_start_and_is_named_without_its_value(
    environment: dict[str, str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        read(ServiceSettings, environment)
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert named in said
    assert "short" not in said.replace(named, "")


def test_the_driver_that_is_an_extra_stops_the_start_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "motor", None)  # Python's own way to say that there is no such package
    assert read(ServiceSettings, GOOD).mongo_driver == "pymongo"
    with pytest.raises(SystemExit) as stopped:
        read(ServiceSettings, GOOD | {"MONGO_DRIVER": "motor"})
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "MONGO_DRIVER" in said
    assert "pip install 'motor>=" in said


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://portal.example:443", "https://portal.example"),
        ("http://portal.example:80", "http://portal.example"),
        ("https://portal.example:80", "https://portal.example:80"),
        ("https://portal.example:8443", "https://portal.example:8443"),
        ("https://Büro.example:443", "https://xn--bro-hoa.example"),
        ("http://straße.de:8080", "http://xn--strae-oqa.de:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_links_have_the_address_as_browsers_write_it(given: str, kept: str) -> None:
    assert read(ServiceSettings, GOOD | {"PORTICO_BASE_URL": given}).base_url == kept


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{TEST_SECRET}\n")
    assert read(ServiceSettings, {"PORTICO_SECRET_KEY_FILE": str(path)}).secret_key == TEST_SECRET
