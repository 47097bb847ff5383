"""Settings are environment variables, read once at the start. A wrong or missing one stops the start and is named."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import idna
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.mongo import Driver
from shared.watchdog import LOOP_STALL_S

_S = TypeVar("_S", bound="Settings")


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


def _as_browsers_write_it(url: str) -> str:
    """Without the port that goes without saying; a name with letters beyond ASCII in its IDNA form."""
    url = url.removesuffix(":443" if url.startswith("https:") else ":80")
    if url.isascii():
        return url
    scheme, _, address = url.partition("://")
    host, colon, port = address.partition(":")
    return f"{scheme}://{idna.encode(host, uts46=True).decode()}{colon}{port}"


def _refuse_unless_installed(driver: str) -> str:
    if driver == "motor" and importlib.util.find_spec("motor") is None:
        raise ValueError("Motor is not installed. It is an extra of Portico: pip install 'motor>=3.7.1'")
    return driver


Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Settings(BaseModel):
    """What every process reads. Each field's alias is its environment variable; `<NAME>_FILE` names a file instead."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    secret_key: str = Field(alias="PORTICO_SECRET_KEY", min_length=32)
    log_level: str = Field("info", alias="PORTICO_LOG_LEVEL", pattern="^(debug|info|warning|error)$")
    base_url: Annotated[str, AfterValidator(_as_browsers_write_it)] = Field(
        "http://localhost:8080", alias="PORTICO_BASE_URL", pattern=r"^https?://[^/?#@\s]+$"
    )
    rabbitmq_url: str = Field("amqp://127.0.0.1/", alias="RABBITMQ_URL", pattern="^amqps?://")
    host: str = Field("127.0.0.1", alias="SERVICE_HOST")
    # A process whose event loop was blocked for longer ends, and its supervisor starts it again.
    loop_stall_s: float = Field(LOOP_STALL_S, alias="PORTICO_LOOP_STALL_S", ge=0, le=3600, allow_inf_nan=False)


class ServiceSettings(Settings):
    """What every process with a database reads."""

    mongo_url: str = Field("mongodb://127.0.0.1:27017/?replicaSet=rs0", alias="MONGO_URL", pattern="^mongodb")
    mongo_driver: Annotated[Driver, AfterValidator(_refuse_unless_installed)] = Field("pymongo", alias="MONGO_DRIVER")
    retry_delays_s: Annotated[tuple[Seconds, ...], BeforeValidator(_split)] = Field(
        (5, 30, 120, 600, 3600), alias="PORTICO_RETRY_DELAYS_S", min_length=1, max_length=10
    )
    audit_kept_days: int = Field(400, alias="PORTICO_AUDIT_KEPT_DAYS", ge=1, le=10_000)


class ToolSettings(ServiceSettings):
    """Settings of operators' commands, which need only the database."""

    secret_key: str = Field("", alias="PORTICO_SECRET_KEY")


def _stop(sentences: list[str]) -> NoReturn:
    sys.stderr.write("".join(f"portico: {sentence}\n" for sentence in sentences))
    sys.exit(2)


def _value(name: str, environment: Mapping[str, str]) -> str | None:
    if (path := environment.get(f"{name}_FILE")) and name not in environment:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            _stop([f"{name}_FILE: {error.strerror}: {path}"])
        except UnicodeDecodeError:
            _stop([f"{name}_FILE: this is no text in UTF-8: {path}"])
    return environment.get(name)


def read(settings: type[_S], environment: Mapping[str, str] | None = None) -> _S:
    """The settings of this process, or exit code 2 with one sentence for each variable that is wrong."""
    environment = os.environ if environment is None else environment
    names = [field.alias or name for name, field in settings.model_fields.items()]
    given = {name: value for name in names if (value := _value(name, environment)) is not None}
    try:
        return settings.model_validate(given)
    except ValidationError as error:
        # The value itself stays out of the sentence: it may be a secret.
        _stop([f"the setting {problem['loc'][0]} is wrong: {problem['msg']}" for problem in error.errors()])


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
