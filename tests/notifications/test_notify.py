"""The notifiers that are built in: the log, and a webhook that says no more of its address than its host."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from agent_guard.notifications.notify import LogNotifier, Notice, WebhookNotifier
from tests.receiver import SECRET, Receiver, receiving

NOTICE = Notice(
    approval_id="apr_1", tool="crm.x", effect="send", tenant="acme", requester="u1", roles=("lead", "manager"),
    not_requester=True, asked_at="2026-01-05T11:20:04.000+00:00", expires_at="2026-01-05T11:20:05+00:00",
    description="**crm.x**", thread="t1", trace_id="T1",
)  # fmt: skip


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_the_log_has_one_line_without_the_description(caplog: pytest.LogCaptureFixture) -> None:
    """Who looks into the log finds the question by its id."""
    caplog.set_level(logging.INFO)
    LogNotifier().asked(NOTICE)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("agent_guard.notify", "INFO")
    assert record.getMessage() == (
        "apr_1 waits until 2026-01-05T11:20:05+00:00: crm.x (send) of u1 in acme, thread t1, trace T1; "
        "may be answered by: lead, manager"
    )


def test_a_notifier_shows_its_host_alone() -> None:
    """An address may hold a token."""
    assert repr(WebhookNotifier("https://hooks.example/T0KEN", SECRET)) == "WebhookNotifier(hooks.example)"


@pytest.mark.req("A7")
def test_a_webhooks_message_has_the_approvals_id(receiver: Receiver) -> None:
    """Whoever gets it twice can tell, because each attempt has the same id."""
    for _ in range(2):
        WebhookNotifier(receiver.url, SECRET).asked(NOTICE)
    first, second = receiver.got(2)
    assert (first.id, second.id, first.signed, second.signed) == ("apr_1", "apr_1", True, True)
    assert first.data["roles"] == ["lead", "manager"]
