"""The HTTP bodies of live updates: what a stream is asked for, and who is at a case."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from shared.schemas.base import SMALL_BODY_BYTES, Request, example

PresenceState = Literal["here", "typing", "left"]


class EventsQuery(Request):
    """`GET /events`: with `case` what happens at this case, and to agents also who else of the vendor is there.

    With `scope=all` also what happens to all others that the user may see, as it is without `case`.
    """

    case: Annotated[str, StringConstraints(max_length=100)] | None = None
    scope: Literal["case", "all"] = "case"


class PresenceBody(Request):
    """Says that an agent looks at a case, writes to it, or has left it. It holds for 45 seconds."""

    model_config = example(state="typing")
    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    state: PresenceState
