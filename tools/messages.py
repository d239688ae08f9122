"""Sending a message to a customer: a template and its variables, never a text of the model (requirement A18).

The text is composed here before the call is decided, judged and shown as it stands, and what was approved is what is
sent. The receiver is the customer's own address in the system of record. Who said "stop", or whom a colleague has taken
over, is written to no more.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated
from unicodedata import category

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from agent_guard.credentials import Secrets
from agent_guard.errors import ToolRejected
from agent_guard.text.domains import refused
from agent_guard.text.spelling import invisible
from agent_guard.tool import tool
from tools.contacts import Contacts
from tools.grounding.language import Language
from tools.mail.port import Mail, Message
from tools.message_templates import Templates
from tools.written import written_day

__all__ = ["MessageSent", "SendTemplate", "composed", "send_template"]

BETWEEN = " \u00a0.,'’‘`ʼ-‐–()"
"""What may stand between the letters of a name."""

MARKS_MAX = 4
"""How many accents a letter may have; more hide what stands around it."""

TEMPLATE_UNKNOWN, VARIABLES_WRONG, OPTED_OUT = "template_unknown", "variables_wrong", "opted_out"


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _a_name(name: str | None) -> str | None:
    """A name as it may be written into a mail: letters of any script and what stands between them, each of them to be
    seen, and nothing that a mail program makes a link of.
    """
    if name is None:
        return None
    marks = "".join("^" if category(sign) in ("Mn", "Mc") else " " for sign in name)
    if not all(sign.isalpha() or mark == "^" or sign in BETWEEN for sign, mark in zip(name, marks, strict=True)):
        raise ValueError(f"a name has letters and any of {' '.join(BETWEEN.split())} between them")
    if invisible(name) or "^" * (MARKS_MAX + 1) in marks:
        raise ValueError("a name has no sign that nobody sees, and no pile of accents")
    if refused(name, ()):  # "Login.Top" too
        raise ValueError("a name is no address")
    return name


class SendTemplate(_Closed):
    """Which message, to which customer, with which name and day."""

    contact_id: Annotated[str, Field(pattern=r"^[0-9]{1,12}$", description="the contact's id, digits only")]
    template_id: Annotated[str, Field(max_length=40, pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    language: Language
    name: Annotated[
        str | None, Field(max_length=80, pattern=r"^[^\W\d_][^\d_<>{}@/:\x00-\x1f\x7f]*$"), AfterValidator(_a_name)
    ] = None
    day: Annotated[Annotated[date, BeforeValidator(written_day)] | None, Field(description="YYYY-MM-DD")] = None


class MessageSent(_Closed):
    """The message that was sent, by its Message-ID."""

    message_id: Annotated[str, Field(max_length=300)]


def composed(args: SendTemplate, templates: Templates, contacts: Contacts) -> dict[str, str]:
    """Subject and body as the customer gets them.

    Raises:
        ToolRejected: ``template_unknown`` (or no text in this language), ``variables_wrong``, ``opted_out``.
        ToolUnavailable: the system of record is down.
    """
    template = templates.get(args.template_id)
    if template is None or args.language not in template.texts:
        raise ToolRejected("there is no such template in this language", code=TEMPLATE_UNKNOWN)
    given = {name for name, value in (("name", args.name), ("day", args.day)) if value is not None}
    if given != set(template.variables):
        raise ToolRejected(f"the template takes {sorted(template.variables)}", code=VARIABLES_WRONG)
    if contacts.stopped(args.contact_id):
        raise ToolRejected("this customer is written to no more", code=OPTED_OUT)
    subject, body = template.filled(args.language, args.name, args.day)
    return {"subject": subject, "body": body}


def _sent_before(args: SendTemplate, mail: Mail, idempotency_key: str) -> MessageSent | None:  # noqa: ARG001  as every tool is called
    """The message of this key, where the way out can tell."""
    found = mail.sent(idempotency_key)
    return None if found is None else MessageSent(message_id=found)


@tool(
    name="messages.send_template",
    effect="send",
    timeout_s=10,
    key=("contact_id", "template_id", "day"),
    refs={"contact_id": "contact"},
    unmask={"name", "day"},
    sensitive={"name"},
    render=composed,
    lookup=_sent_before,
    result_fields={"message_id": "plain"},
)
def send_template(
    args: SendTemplate,
    templates: Templates,
    contacts: Contacts,
    mail: Mail,
    *,
    idempotency_key: str,
    rendered: dict[str, str],
    secrets: Secrets,
) -> MessageSent:
    """Sends a customer one of the templates with a name and a day. A human always confirms.

    Args:
        args: which template, to whom, with what.
        templates: looked at when the text was composed.
        contacts: knows the customer's address, and who wants no more messages.
        mail: the way out.
        idempotency_key: of the message; its Message-ID is made of it.
        rendered: the subject and body that were judged and approved.
        secrets: of the agent, for the mail server.

    Raises:
        ToolRejected: ``opted_out``, ``not_found``, ``no_address``, ``address_refused`` or ``message_refused``.
        ToolUnavailable: it was not sent.
        OutcomeUnknown: it may have been.
    """
    del templates
    if contacts.stopped(args.contact_id):  # said while a manager was thinking
        raise ToolRejected("this customer is written to no more", code=OPTED_OUT)
    to = contacts.address(args.contact_id)
    message = Message(to=to, subject=rendered["subject"], body=rendered["body"], key=idempotency_key)
    return MessageSent(message_id=mail.send(message, secrets=secrets))
