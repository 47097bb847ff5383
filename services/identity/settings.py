"""What the environment may say to identity."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings


class IdentitySettings(ServiceSettings):
    """The service."""

    port: int = Field(8081, alias="IDENTITY_PORT", ge=1, le=65_535)


class ToolSettings(ServiceSettings):
    """The commands, which need the database only."""

    secret_key: str = Field("", alias="PORTICO_SECRET_KEY")


def tool_environment() -> Mapping[str, str]:
    """The environment; where it names no database, with what `make run` wrote down about its own."""
    if "MONGO_URL" in os.environ or "MONGO_URL_FILE" in os.environ:
        return os.environ
    path = Path(os.environ.get("PORTICO_DATA_DIR", "var")) / "stack.env"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return os.environ
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs} | os.environ
