"""Settings of cases that could never work stop the start."""

import pytest
from pydantic import ValidationError

from services.cases.attachments.multipart import max_body_bytes
from services.cases.settings import CasesSettings
from services.gateway.pages import file_forms
from services.gateway.pages.requests import LONG_FORM_BYTES
from shared import bodies
from tests.builders import TEST_SECRET

MOST = 30 * 2**20


def with_total(size: int) -> CasesSettings:
    return CasesSettings.model_validate(
        {"PORTICO_SECRET_KEY": TEST_SECRET, "CASES_ATTACHMENT_MAX_TOTAL_BYTES": str(size)}
    )


def test_the_largest_allowed_file_settings_fit_the_gateway_and_one_process() -> None:
    whole = max_body_bytes(with_total(MOST).limits)
    assert whole + LONG_FORM_BYTES <= file_forms._MOST_BYTES
    assert whole <= bodies._MOST_FILE_BYTES


def test_settings_beyond_the_limits_stop_the_start() -> None:
    with pytest.raises(ValidationError, match="CASES_ATTACHMENT_MAX_TOTAL_BYTES"):
        with_total(MOST + 1)
