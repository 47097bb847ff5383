"""The settings of the mail server, and what they mean together."""

from pathlib import Path

import pytest

from services.notifications.settings import NotificationsSettings
from services.notifications.tls import Tls
from shared.settings import read
from tests.builders import TEST_SECRET
from tests.certificates import Authority


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(Authority(tmp_path_factory.mktemp("certificates")).file)


def _read(**environment: str) -> NotificationsSettings:
    return read(NotificationsSettings, {"PORTICO_SECRET_KEY": TEST_SECRET, **environment})


def _refusal(capsys: pytest.CaptureFixture[str], **environment: str) -> str:
    """What is said when the start is stopped."""
    with pytest.raises(SystemExit, match="2"):
        _read(**environment)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTICO_SMTP_URL", "http://mail.example"),
        ("PORTICO_SMTP_URL", "smtp://mail.example:99999"),
        ("PORTICO_SMTP_URL", "smtp://mail.example:0"),
        ("PORTICO_SMTP_URL", "smtp://ana:hunter2"),
        ("PORTICO_SMTP_URL", "smtp://ana:25#hunter2@mail.example"),
        ("PORTICO_SMTP_URL", "smtp://ana:25?hunter2@mail.example"),
        ("PORTICO_SMTP_TLS", "always"),
        ("PORTICO_SMTP_CA", "/etc/ssl/ca.pem"),
        ("PORTICO_SMTP_CA", ""),
        ("PORTICO_SMTP_CA_FILE", "/nowhere/at/all"),
        ("PORTICO_SMTP_CA_FILE", "/tmp"),  # noqa: S108  # no file, but a folder
        ("PORTICO_BRAND_NAME", "\u200b"),
        ("PORTICO_BRAND_NAME", "two\nlines"),
        ("PORTICO_MAIL_FROM", "Portico\n<portico@example.com>"),
        ("PORTICO_MAIL_FROM", "nobody"),
        ("PORTICO_MAIL_FROM", "Portico <>"),
        ("PORTICO_MAIL_FROM", "Portico <jörg@example.com>"),
        ("PORTICO_MAIL_FROM", "Portico <portico@example.com>, Help <help@example.com>"),
        ("PORTICO_MAIL_FROM", "Portico\nBcc: eve@evil.example <portico@example.com>"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named_without_a_password(
    name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _refusal(capsys, **{name: value})
    assert name in said
    assert "hunter2" not in said


def test_a_file_that_is_no_certificate_in_text_stops_the_start(
    tmp_path: Path, ca_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (
        ("ca.der", b"0\x82\x01\xff"),
        ("empty.pem", b""),
        ("key.pem", Path(ca_file).with_suffix(".key").read_bytes()),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert "PORTICO_SMTP_CA" in _refusal(capsys, PORTICO_SMTP_CA_FILE=str(path))


@pytest.mark.parametrize(
    ("url", "has_authority", "tls"),
    [
        ("smtp://relay", False, Tls.OPPORTUNISTIC),
        ("smtp://relay", True, Tls.REQUIRED),
        ("smtp://ana:hunter2@relay", False, Tls.REQUIRED),
        ("smtps://relay", False, Tls.REQUIRED),
    ],
)
def test_certificates_are_checked_where_there_is_something_to_lose(
    url: str, *, has_authority: bool, tls: Tls, ca_file: str
) -> None:
    authority = {"PORTICO_SMTP_CA_FILE": ca_file} if has_authority else {}
    assert _read(PORTICO_SMTP_URL=url, **authority).smtp_tls is tls


def test_a_password_goes_in_the_clear_only_where_the_operator_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    url = "smtp://ana:hunter2@relay"
    assert _read(PORTICO_SMTP_URL=url, PORTICO_SMTP_TLS="none").smtp_tls is Tls.NONE
    said = _refusal(capsys, PORTICO_SMTP_URL=url, PORTICO_SMTP_TLS="opportunistic")
    assert "PORTICO_SMTP_TLS" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("tls", ["none", "opportunistic"])
def test_settings_that_contradict_each_other_stop_the_start(
    tls: str, ca_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "PORTICO_SMTP_TLS" in _refusal(capsys, PORTICO_SMTP_TLS=tls, PORTICO_SMTP_URL="smtps://relay")
    assert "PORTICO_SMTP_TLS" in _refusal(capsys, PORTICO_SMTP_TLS=tls, PORTICO_SMTP_CA_FILE=ca_file)


@pytest.mark.parametrize("address", ["portico@localhost", "root@mailhost", "portico@firma.local", "portico@müller.de"])
def test_mails_may_come_from_an_address_of_an_intranet(address: str) -> None:
    assert _read(PORTICO_MAIL_FROM=f"Portico <{address}>").mail_from == f"Portico <{address}>"


def test_the_names_of_brand_and_sender_hold_nothing_unseen() -> None:
    settings = _read(PORTICO_BRAND_NAME="A\u200bcme\u202e ", PORTICO_MAIL_FROM="A\u200bcme\u202e <a@example.com>")
    assert (settings.brand_name, settings.mail_from) == ("Acme", "Acme <a@example.com>")
