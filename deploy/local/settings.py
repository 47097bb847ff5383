"""What the environment may say to `make run`."""

from pathlib import Path

from pydantic import Field

from shared.settings import Settings


class LocalSettings(Settings):
    """Everything has a default: an empty address means a part of our own."""

    secret_key: str = Field("", alias="PORTICO_SECRET_KEY")
    base_url: str = Field("", alias="PORTICO_BASE_URL", pattern=r"^(https?://[^/\s]+)?$")
    data_dir: Path = Field(Path("var"), alias="PORTICO_DATA_DIR")
    portal_host: str = Field("127.0.0.1", alias="PORTICO_HOST")
    port: int = Field(8080, alias="PORTICO_PORT", ge=1, le=65_535)
    demo: bool = Field(default=True, alias="PORTICO_DEMO")
    mongo_url: str = Field("", alias="MONGO_URL")
    rabbitmq_url: str = Field("", alias="RABBITMQ_URL")
    smtp_url: str = Field("", alias="PORTICO_SMTP_URL")
