"""What every event is: immutable, past tense, with an id that stays the same however often it is delivered."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7

EXCERPT_LENGTH = 500

Excerpt = Annotated[str, AfterValidator(lambda text: text[:EXCERPT_LENGTH])]


class Event(BaseModel):
    """Something that happened. `type` is the routing key: `<service>.<noun>.<past>.v<major>`."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    type: ClassVar[str]
    id: UUID = Field(default_factory=uuid7)
    """Of this happening: the same however often the event is delivered."""
    at: AwareDatetime
    """When it happened."""


class State(Event):
    """The fields of one document that other services copy."""

    version: int
    """Of the document, after the change: a copy that has a higher one keeps it."""
    deleted: bool = False
    """The document is gone. The copy stays as a tombstone, so that a late event cannot bring it back."""


Relation = Literal["submitter", "owner", "contact", "secondary_contact"]


class Addressee(BaseModel):
    """A person who may get an e-mail about it."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    relation: Relation
    """What this person is to the case; the same person may stand in several."""
    user_id: UUID | None
    """None for an address that is no user's."""
    name: str
    email: str
    """The address on the case."""
    language: str = "en"
    """In which to write."""
