"""A checkpointer for both of LangGraph's doors: what a saver can do only synchronously is done in a thread of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from agent_guard.runtime.waits import aside

__all__ = ["both_doors"]


def both_doors(saver: Any) -> Any:
    """The saver itself for :meth:`invoke`, and for ``ainvoke`` too: ``SqliteSaver`` and ``PostgresSaver``, which know
    no asynchronous calls, are asked in threads that never block the event loop. Anything that is no saver stays as it
    is.
    """
    return _Both(saver) if isinstance(saver, BaseCheckpointSaver) and not isinstance(saver, _Both) else saver


class _Both(BaseCheckpointSaver[Any]):
    """Every call is the saver's own; an asynchronous one that it has not is its synchronous one, in a thread."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self._saver = saver
        self._lacks: set[str] = set()

    @property
    def serde(self) -> Any:  # type: ignore[override]
        """How the saver writes."""
        return self._saver.serde

    @property
    def config_specs(self) -> list[Any]:
        """What the saver wants to be configured with."""
        return self._saver.config_specs

    def get_next_version(self, current: Any, channel: None) -> Any:
        """The saver's next version of a channel."""
        return self._saver.get_next_version(current, channel)

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> BaseCheckpointSaver[Any]:
        """The same with the saver's own clone."""
        return _Both(self._saver.with_allowlist(extra_allowlist))

    # ---- the synchronous door

    def get_tuple(self, config: Any) -> Any:
        """Reads a checkpoint."""
        return self._saver.get_tuple(config)

    def list(self, config: Any, **options: Any) -> Iterator[Any]:
        """Reads several."""
        return self._saver.list(config, **options)

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Writes one."""
        return self._saver.put(config, checkpoint, metadata, new_versions)

    def put_writes(self, config: Any, writes: Sequence[Any], task_id: str, task_path: str = "") -> None:
        """Writes what a node gave."""
        self._saver.put_writes(config, writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        """Deletes a thread."""
        self._saver.delete_thread(thread_id)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Deletes what some runs wrote."""
        self._saver.delete_for_runs(run_ids)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copies a thread."""
        self._saver.copy_thread(source_thread_id, target_thread_id)

    def prune(self, thread_ids: Sequence[str], **options: Any) -> None:
        """Deletes old ones."""
        self._saver.prune(thread_ids, **options)

    def get_delta_channel_history(self, **options: Any) -> Mapping[str, Any]:
        """Reads the history of channels."""
        return self._saver.get_delta_channel_history(**options)

    # ---- the asynchronous one

    async def aget_tuple(self, config: Any) -> Any:
        """Reads a checkpoint."""
        return await self._either(self._saver.aget_tuple, self._saver.get_tuple, config)

    async def alist(self, config: Any, **options: Any) -> AsyncIterator[Any]:
        """Reads several; where a thread does it, all at once."""
        if "alist" not in self._lacks:
            try:
                async for item in self._saver.alist(config, **options):
                    yield item
            except NotImplementedError:
                self._lacks.add("alist")
            else:
                return
        for item in await aside(lambda: [*self._saver.list(config, **options)]):
            yield item

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Writes one."""
        return await self._either(self._saver.aput, self._saver.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config: Any, writes: Sequence[Any], task_id: str, task_path: str = "") -> None:
        """Writes what a node gave."""
        await self._either(self._saver.aput_writes, self._saver.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Deletes a thread."""
        await self._either(self._saver.adelete_thread, self._saver.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Deletes what some runs wrote."""
        await self._either(self._saver.adelete_for_runs, self._saver.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copies a thread."""
        await self._either(self._saver.acopy_thread, self._saver.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], **options: Any) -> None:
        """Deletes old ones."""
        await self._either(self._saver.aprune, self._saver.prune, thread_ids, **options)

    async def _either(
        self, later: Callable[..., Awaitable[Any]], now: Callable[..., Any], *given: Any, **options: Any
    ) -> Any:
        if now.__name__ not in self._lacks:
            try:
                return await later(*given, **options)
            except NotImplementedError:  # the saver has no such call, and has done nothing
                self._lacks.add(now.__name__)
        return await aside(now, *given, **options)
