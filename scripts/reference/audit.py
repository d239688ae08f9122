"""The format of an audit event, from its JSON Schema."""

from __future__ import annotations

from typing import Any

from agent_guard.recording.format import FORMAT, KINDS, json_schema
from scripts.reference.markdown import head, table

__all__ = ["page"]

_MEANS = {
    "v": "version of the format",
    "key": "the name of the key that the chain's HMAC was made with",
    "at": "milliseconds since 1970, by the clock that the limits use",
    "seq": "the event's place in its chain, from 1 on",
    "prev_hash": "the hash of the event before it",
    "kind": "what the event tells",
    "timestamp": "UTC, RFC 3339",
    "thread": "the conversation, or `system/<tenant>`",
    "tenant": "whose record it is",
    "trace_id": "a ULID, the same for one call's whole life",
    "scenario": "the corridor",
    "environment": "`dev`, `stage` or `prod`",
    "actor": "the subject: id, tenant, roles, region",
    "agent": "the technical identity",
    "party": "the customer's id in the system of record",
    "approver": "who answered",
    "approval_id": "the question",
    "tool": "the tool's name",
    "tool_version": "the contract's version",
    "mode": "`suggest`, `approve` or `execute`",
    "tool_call_id": "the model's id of the call",
    "reason": "why the model wanted it, masked",
    "idempotency_key": "HMAC of what the call is keyed by",
    "digest": "hash of exactly what would run",
    "record_version": "the version of the record when it was decided",
    "args_redacted": "the arguments with pseudonyms",
    "facts": "what the decision was made from; no raw value",
    "decision": "outcome, code, policy with its hash, and what each guard said",
    "result_meta": "records, tries, latency, whether it was read back",
    "diff": "the record before and after, masked; per field what was asked, executed and observed",
    "error": "class, code, and a detail without values",
    "note": "what a person said, masked",
}


def page() -> str:
    schema: dict[str, Any] = dict(json_schema())
    needed = set(schema["required"])
    missing = set(schema["properties"]) ^ set(_MEANS)
    if missing:
        raise ValueError(f"scripts/reference/audit.py does not tell what these fields mean: {sorted(missing)}")
    rows = [[f"`{name}`", "" if name in needed else "may be missing in older events", _MEANS[name]] for name in _MEANS]
    kinds = ", ".join(f"`{kind}`" for kind in KINDS)
    return (
        head(
            "Audit event",
            f"Version {FORMAT}. Fields and kinds are only added. `agent-guard audit schema` prints the JSON Schema "
            "(draft 2020-12), `agent-guard audit export` writes events as JSON Lines.",
        )
        + f"\n\n## Kinds\n\n{kinds}.\n\n## Fields\n\nA field that does not apply is null.\n\n"
        + table(["field", "", "what it holds"], rows)
        + "\n"
    )
