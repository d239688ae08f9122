"""Parts and pages that the scans of this application share: a part is a member of staff, who owns records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from agent_guard import ledger
from agent_guard.guarded import GuardedThread
from agent_guard.scanning import Part, Told, stopped
from agent_guard.scans import Finding
from agent_guard.types import JSON, Code, Subject
from tools.alert_log import QUIET, AlertLog
from tools.alerts import LISTED_MAX, Topic
from tools.crm.overview import Overview
from tools.stale_deals import week_of

__all__ = ["ROLE", "host", "id_of", "owners", "read", "teller"]

ROLE = "scheduler"
"""The role of the host's own calls. No person has it: with a directory, only the technical user :func:`host` does."""


def host(tenant: str, region: str | None) -> Subject:
    """The technical user on whose behalf the host reads and alerts by itself."""
    return Subject(id="scheduler", tenant=tenant, roles={ROLE}, region=region)


def owners(overview: Overview, tenant: str) -> list[Part]:
    """A part for everybody who owns a deal."""
    return [Part(id=id_, subject=host(tenant, region), total=owned) for id_, region, owned in overview.owners()]


def read(thread: GuardedThread, tool: str, args: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """What a read tells.

    Raises:
        ScanStopped: it did not run.
    """
    result = thread.invoke(tool, args, reason="The scheduled scan reads the next page.")
    if result.status != "executed":
        raise stopped(result)
    return dict(result.content)


def id_of(ref: str) -> str:
    """The id in ``"deal:1001"``."""
    return ref.partition(":")[2]


def teller(topic: Topic, overview: Overview, log: AlertLog) -> Callable[[GuardedThread, Part, Iterator[Finding]], Told]:
    """Tells the team of a part's findings in this week's message; what was told of lately is left out before.

    A message that nobody sent, because it was sent this week or may have been, leaves its findings in silence; one that
    was refused or could not be sent stops the scan, which then tells of them when it runs again.
    """

    def tell(thread: GuardedThread, part: Part, findings: Iterator[Finding]) -> Told:
        chosen, recent = _chosen(findings, overview, log, _begun(thread))
        why = dict.fromkeys(recent, "told_lately")
        if not chosen:
            return Told(why=why, rest="told_lately")
        args = {"topic": topic, "owner_id": part.id, "week": week_of(overview.now()), "ids": [id_of(x) for x in chosen]}
        result = thread.invoke("alerts.slack", args, reason="The scheduled scan found records that need attention.")
        if result.status in ("executed", "duplicate"):
            # a duplicate of this very thread is the message of a process that died before it could write so
            listed = set(result.content["listed"]) if isinstance(result.content, Mapping) else set()
            told = [ref for ref in chosen if id_of(ref) in listed]
            left = {ref: "told_lately" for ref in chosen if id_of(ref) not in listed and listed}
            rest = "list_full" if listed else "told_this_week"
            return Told(refs=told, trace=result.trace_id if told else None, why=why | left, rest=rest)
        if result.status == "unknown" or result.code in (Code.OUTCOME_UNKNOWN, Code.IN_PROGRESS):
            return Told(why=why | dict.fromkeys(chosen, "outcome_unknown"), rest="outcome_unknown")
        raise stopped(result)

    return tell


def _begun(thread: GuardedThread) -> list[str]:
    """Keys of the messages that a process had begun here when it died. Their records have their places already; what
    became of such a message, its call tells.
    """
    with thread.gateway.store.read() as connection:
        return [row.key for row in ledger.listed(connection, thread=thread.id) if row.key is not None]


def _chosen(
    findings: Iterator[Finding], overview: Overview, log: AlertLog, begun: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The first findings that fill a message, and those before them that were told of lately."""
    since = overview.now() - QUIET
    chosen: list[str] = []
    recent: list[str] = []
    some: list[str] = []

    def sort_in(refs: Sequence[str]) -> None:
        last = log.last(refs, besides=begun)
        for ref in refs:
            if ref in last and last[ref] > since:
                recent.append(ref)
            elif len(chosen) < LISTED_MAX:
                chosen.append(ref)

    for finding in findings:
        some.append(finding.ref)
        if len(some) == LISTED_MAX:
            sort_in(some)
            some = []
            if len(chosen) >= LISTED_MAX:
                return chosen, recent
    sort_in(some)
    return chosen, recent
