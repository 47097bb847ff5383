"""What every event is: immutable, past tense, with an id that stays the same however often it is delivered."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7

EXCERPT_LENGTH = 500

Excerpt = Annotated[str, AfterValidator(lambda text: text[:EXCERPT_LENGTH])]


class Event(BaseModel):
    """Something that happened. `type` is the routing key: `<service>.<noun>.<past>.v<major>`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    id: UUID = Field(default_factory=uuid7)
    at: AwareDatetime


class State(Event):
    """The fields of one document that other services copy. `version` is the document's, after the change."""

    version: int
    deleted: bool = False


Relation = Literal["submitter", "owner", "contact", "secondary_contact"]


class Addressee(BaseModel):
    """Somebody who may have to be told. `user_id` is None for an address that is no user's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    relation: Relation
    user_id: UUID | None
    name: str
    email: str
    language: str = "en"
