"""``agent-guard work``: carries out what was answered, ends what nobody answered, looks after what was left undone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_guard.cli.output import AppOption, ConfigOption, JsonOption, console, fail, line, opened, settings_of
from agent_guard.cli.plain import words
from agent_guard.cli.resuming import LEFT_UNDONE, ModelOption, Sessions, chat_model
from agent_guard.errors import ConfigError, StoreError
from agent_guard.units import parse_duration

if TYPE_CHECKING:
    from agent_guard.work.worker import Done

__all__ = ["work"]

PAUSE_MAX_S = 60.0
"""The longest pause after a database that cannot be used, in seconds."""

_STYLES = {
    "resumed": "green", "reconciled": "green", "notified": "green", "tidied": "green", "failed": "yellow",
    "put_aside": "red",
}  # fmt: skip


def work(
    once: Annotated[
        bool, typer.Option("--once", help="One round; exit code 3 where something is left undone.")
    ] = False,
    interval: Annotated[str, typer.Option("--interval", help="Between two rounds, e.g. 2s.")] = "2s",
    retry: Annotated[bool, typer.Option("--retry", help="Take up again what was put aside.")] = False,
    model: ModelOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lets threads go on whose question was answered or has expired, asks what became of calls whose outcome nobody
    knows, sends notices that did not arrive, and ends what has run out in the systems, such as holds. Several may run
    at once. Ends at SIGTERM after the thread in hand.
    """
    try:
        pause_s = parse_duration(interval).total_seconds()
    except ValueError as error:
        raise ConfigError(f"--interval: {error}") from None
    chat = chat_model(model)
    with _told_to_stop() as stop, opened(settings_of(config, app), quiet=as_json) as application:
        from agent_guard.work.worker import Worker

        worker = Worker(application.gateway, Sessions(application, chat), tidy=application.tidy)
        if retry:
            worker.retry()
        wait_s = pause_s
        while not stop.is_set():
            try:
                for done in worker.round(stop=stop.is_set):
                    _print(done, as_json=as_json)
                wait_s = pause_s
            except StoreError as error:
                if once:
                    raise
                fail(error)
                wait_s = min(2 * wait_s, PAUSE_MAX_S)
            if once:
                break
            stop.wait(wait_s)
        if once and not stop.is_set() and worker.undone():
            raise typer.Exit(LEFT_UNDONE)


def _print(done: Done, *, as_json: bool) -> None:
    if as_json:
        line(done.as_json())
        return
    text = words(f"{done.kind:11}", _STYLES[done.kind])
    parts = [f"thread {done.thread}" if done.thread else "", f"call {done.call}" if done.call else ""]
    parts += [f"{id} {word}" for id, word in (done.questions or {}).items()]
    parts += [done.status or "", f"asks {done.asks}" if done.asks else "", done.words or ""]
    console.print(text.append_text(words(", ".join(part for part in parts if part))), soft_wrap=True)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once, which loses nothing either."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def told(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.getsignal(number)
        signal.signal(number, told)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
