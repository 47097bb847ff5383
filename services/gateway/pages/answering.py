"""What agents write on a case: an answer, with what comes next, or a note that only the vendor's side sees."""

from collections.abc import Mapping
from typing import Any

from services.gateway.fields import FILES, Field, FormSpec, hidden
from services.gateway.forms import Form, FormData, to_json
from services.gateway.pages.requests import new_idempotency_key
from services.gateway.texts import lazy
from shared import errors

REPLY, NOTE = "reply", "note"
_CLOSE = "close"
THEN = (
    ("waiting_customer", lazy("Waiting for the customer")),
    ("in_progress", lazy("In progress")),
    ("waiting_parts", lazy("Waiting for parts")),
    (_CLOSE, lazy("Close the case")),
)
# What a page says when it has arrived, and when it has not.
SENT = {REPLY: lazy("Your reply is sent."), NOTE: lazy("Your note is saved.")}
UNSENT = {REPLY: lazy("Your reply was not sent"), NOTE: lazy("Your note was not saved")}
ANSWER = FormSpec(
    (
        hidden("version", json="number"),
        hidden("next"),
        # Never `action`, which drafts leave out: a note that came back as an answer would go to the customer.
        Field(
            "kind",
            lazy("What you write"),
            "radios",
            choices=((REPLY, lazy("Reply")), (NOTE, lazy("Note, only for support"))),
        ),
        Field("text", lazy("Message"), "area", rows=2, ask=lazy("Write a message.")),
        Field("then", lazy("and then"), "select", choices=THEN),
        FILES,
    )
)


def empty_answer(case: Mapping[str, Any]) -> Form:
    """A form for this case; what waits for parts goes on waiting for them."""
    then = "waiting_parts" if case["status"] == "waiting_parts" else "waiting_customer"
    keys = {"idempotency_key": new_idempotency_key(), "upload_key": new_idempotency_key()}
    return Form(ANSWER, {"kind": REPLY, "then": then} | keys)


def body_of(typed: FormData) -> dict[str, Any]:
    """The action that was written; Invalid where it does not say whether the customer is to read it."""
    kind, then = typed.get("kind"), typed.get("then", "")
    body = to_json(typed, ANSWER, without=("kind", "then", "version", "next"))
    if kind == NOTE:
        return {"action": NOTE, **body}
    if kind != REPLY:
        raise errors.Invalid("Say whether it is a reply or a note.", params={"reason": "action"})
    if then == _CLOSE:
        text = {"resolution": body.pop("text")} if "text" in body else {}
        return {"action": _CLOSE, **to_json({"version": typed.get("version", "")}, ANSWER), **body, **text}
    return {"action": REPLY, **body} | ({"status": then} if then else {})


def at_fields(problem: Mapping[str, Any]) -> dict[str, Any]:
    """The problem with its errors at the fields of the form."""
    names = {"resolution": "text", "status": "then"}
    said = [{**error, "field": names.get(str(error["field"]), error["field"])} for error in problem.get("errors", ())]
    return {**problem, "errors": said} if said else dict(problem)
