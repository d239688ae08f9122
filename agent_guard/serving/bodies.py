"""What the body of a request may hold. Pure: nothing is masked here, and nothing is looked up.

A run (``POST /threads/{id}/runs`` and its ``/wait`` and ``/stream``):

======================================================  ================================================================
``input.messages``, ``command.resume``                  masked
``assistant_id``                                        a graph of ``langgraph.json``, by its name or its own id
``stream_mode``                                         values, updates, messages, messages-tuple and custom
``stream_subgraphs``, ``stream_resumable``              passed
``metadata.about``                                      for the host, when the first message opens the thread
other ``metadata``, ``feedback_keys``, ``config.tags``  left out
``context``, ``config.recursion_limit``                 set by us: that this door masks answers, and what the policy
                                                        comes to. A ``context`` of the client's is refused
``durability``                                          ``sync``, always
``multitask_strategy``                                  ``reject``, the default here; others are refused: what runs is
                                                        not cut, and a message does not take the place of a question
``on_disconnect``                                       ``continue``; ``cancel`` is refused: it would cut a write
``if_not_exists``                                       ``reject``; ``create`` is refused
``config.configurable``, ``checkpoint``, ``checkpoint_id``, ``command.goto``, ``command.update``, ``webhook``,
``interrupt_before``, ``interrupt_after``, ``after_seconds``, other keys of ``input``, anything else: refused
======================================================  ================================================================

A state update takes messages of people alone, as a run does, and runs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from agent_guard.guarded import TEXT_MAX
from agent_guard.serving.refused import Refused

__all__ = [
    "BODY_MOST", "RunAsked", "assistants_asked", "graph_named", "history_asked", "json_of", "new_thread_asked",
    "run_asked", "state_asked", "threads_asked",
]  # fmt: skip

BODY_MOST = 1_000_000
"""The largest body, in bytes: a text is at most 20,000 characters."""

MESSAGES_MOST = 20
"""Most new messages of one request, whose texts together are no longer than one may be."""

_STREAMS = frozenset({"values", "updates", "messages", "messages-tuple", "custom"})
_DROPPED = frozenset({"feedback_keys", "langsmith_tracer", "checkpoint_during", "durability"})
_PASSED = frozenset({"stream_subgraphs", "stream_resumable"})
_ONLY = {"multitask_strategy": "reject", "on_disconnect": "continue", "if_not_exists": "reject"}
_SORTS = frozenset({"thread_id", "status", "created_at", "updated_at", "state_updated_at"})
_STATES = frozenset({"idle", "busy", "interrupted", "error"})
_ABOUT = re.compile(r"[\w.:@/-]{1,100}")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")  # of the ids that langgraph-api gives to its graphs


@dataclass(frozen=True, kw_only=True)
class RunAsked:
    """A run that a client asks for. Raw.

    Args:
        graph: its name.
        about: what the client says the thread is about.
        texts: new messages, or None where the thread goes on by itself or an answer is brought.
        answer: the answer to a question, in any dialect; None where there is none.
        passed: what else goes on to the server.
    """

    graph: str
    about: Mapping[str, str]
    texts: list[str] | None = field(repr=False)
    answer: Any = field(repr=False)
    passed: Mapping[str, Any]


def json_of(raw: bytes) -> dict[str, Any]:
    """The object that a body holds; an empty one is an empty object.

    Raises:
        Refused: too large, or no object.
    """
    if len(raw) > BODY_MOST:
        raise Refused(413, "body_too_large", f"a body has at most {BODY_MOST} bytes")
    try:
        found = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(422, "body_unreadable", "the body is not a JSON object")
    return found


def graph_named(given: Any, graphs: Collection[str]) -> str:
    """The graph of an assistant's name or id.

    Raises:
        Refused: there is none; the message names those there are.
    """
    for name in graphs:
        if given in (name, str(uuid5(_NAMESPACE, name))):
            return name
    raise Refused(404, "assistant_unknown", f"assistant_id is one of {', '.join(sorted(graphs))}")


def run_asked(body: Mapping[str, Any], graphs: Collection[str]) -> RunAsked:
    """A run, taken apart as the table above says.

    Raises:
        Refused: the body holds what no client may say; the message names it.
    """
    given = _given(body)
    passed: dict[str, Any] = {name: _flag(name, given.pop(name)) for name in _PASSED & given.keys()}
    for name, only in _ONLY.items():
        if given.pop(name, only) != only:
            raise Refused(422, "refused", f"{name} is {only!r} here, and nothing else")
    graph = graph_named(given.pop("assistant_id", None), graphs)
    if modes := _modes(given.pop("stream_mode", None)):
        passed["stream_mode"] = modes
    about = _about(given.pop("metadata", None))
    _config(given.pop("config", None))
    command, said = given.pop("command", None), given.pop("input", None)
    _nothing_else(given.keys() - _DROPPED, "a run")
    if command is not None and said is not None:
        raise Refused(422, "refused", "a run takes 'input' or 'command', not both")
    answer = None if command is None else _answer(command)
    texts = None if said is None else _texts(said, "input")
    return RunAsked(graph=graph, about=about, texts=texts, answer=answer, passed=passed)


def state_asked(body: Mapping[str, Any]) -> list[str]:
    """The new messages of a state update.

    Raises:
        Refused: it holds anything else.
    """
    given = _given(body)
    values, node = given.pop("values", None), given.pop("as_node", "__start__")
    _nothing_else(given, "a state update")
    if node != "__start__":
        raise Refused(422, "refused", "a state update speaks for no node: leave 'as_node' away")
    return _texts(values, "values")


def new_thread_asked(body: Mapping[str, Any], graphs: Collection[str]) -> dict[str, Any]:
    """A new thread: an id, and of which graph.

    Raises:
        Refused: it holds anything else.
    """
    given = _given(body)
    thread, exists = given.pop("thread_id", None), given.pop("if_exists", "raise")
    metadata = _graph_metadata(given.pop("metadata", None), graphs)
    _nothing_else(given, "a new thread")
    if thread is not None and not (isinstance(thread, str) and _UUID.fullmatch(thread)):
        raise Refused(422, "refused", "thread_id is a UUID in small letters")
    if exists not in ("raise", "do_nothing"):
        raise Refused(422, "refused", "if_exists is 'raise' or 'do_nothing'")
    named = {} if thread is None else {"thread_id": thread}
    return {**named, "if_exists": exists, "metadata": metadata}


def threads_asked(body: Mapping[str, Any], graphs: Collection[str]) -> dict[str, Any]:
    """A search among threads, by what is no text.

    Raises:
        Refused: it holds anything else.
    """
    given = _given(body)
    asked = _page(given)
    if (status := given.pop("status", None)) is not None:
        asked["status"] = _word("status", status, _STATES)
    if (sort := given.pop("sort_by", None)) is not None:
        asked["sort_by"] = _word("sort_by", sort, _SORTS)
    if (order := given.pop("sort_order", None)) is not None:
        asked["sort_order"] = _word("sort_order", order, frozenset({"asc", "desc"}))
    if (ids := given.pop("ids", None)) is not None:
        if not isinstance(ids, list) or not all(isinstance(item, str) and _UUID.fullmatch(item) for item in ids):
            raise Refused(422, "refused", "ids is a list of thread ids")
        asked["ids"] = ids
    if metadata := _graph_metadata(given.pop("metadata", None), graphs):
        asked["metadata"] = metadata
    _nothing_else(given, "a search among threads")
    return asked


def history_asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """How much of a history.

    Raises:
        Refused: it asks for anything else.
    """
    given = _given(body)
    asked = _page(given)
    asked.pop("offset", None)
    _nothing_else(given, "a history")
    return asked


def assistants_asked(body: Mapping[str, Any], graphs: Collection[str]) -> dict[str, Any]:
    """A search among assistants.

    Raises:
        Refused: it asks for anything else.
    """
    given = _given(body)
    asked = _page(given)
    if (graph := given.pop("graph_id", None)) is not None:
        asked["graph_id"] = graph_named(graph, graphs)
    for name in ("sort_by", "sort_order", "metadata"):  # nothing but order, and there is no metadata to search
        given.pop(name, None)
    _nothing_else(given, "a search among assistants")
    return asked


# ---- parts


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says: null, and an empty object or list, say nothing."""
    return {name: value for name, value in body.items() if value is not None and value not in ({}, [])}


def _nothing_else(left: Collection[str], what: str) -> None:
    if left:
        name = min(left)
        shown = name if re.fullmatch("[a-z_]{1,40}", name) else "a name that there is not"
        raise Refused(422, "refused", f"{what} may not say {shown!r} here")


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused(422, "refused", f"{name} is true or false")
    return value


def _word(name: str, value: Any, words: frozenset[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise Refused(422, "refused", f"{name} is one of {', '.join(sorted(words))}")
    return value


def _modes(value: Any) -> list[str]:
    modes = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(modes, list):
        raise Refused(422, "refused", "stream_mode is a word or a list of words")
    return list(dict.fromkeys(_word("stream_mode", mode, _STREAMS) for mode in modes))


def _page(given: dict[str, Any]) -> dict[str, Any]:
    asked = {}
    for name in ("limit", "offset"):
        value = given.pop(name, None)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1000:
                raise Refused(422, "refused", f"{name} is a number from 0 to 1000")
            asked[name] = value
    return asked


def _object(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(422, "refused", f"{name} is an object")
    return _given(value)


def _graph_metadata(value: Any, graphs: Collection[str]) -> dict[str, str]:
    """The graph of a thread, under the names that clients give it."""
    given = _object("metadata", value)
    _nothing_else(given.keys() - {"graph_id", "assistant_id"}, "metadata of a thread")
    named = {graph_named(item, graphs) for item in given.values()}
    if len(named) > 1:
        raise Refused(422, "refused", "a thread is of one graph")
    return {"graph_id": named.pop()} if named else {}


def _about(value: Any) -> dict[str, str]:
    about = _object("metadata.about", _object("metadata", value).get("about"))
    for name, id_ in about.items():
        if not isinstance(id_, str) or not _ABOUT.fullmatch(id_) or not re.fullmatch("[a-z_]{1,40}", name):
            raise Refused(422, "refused", "metadata.about names records by their ids, e.g. {'deal_id': '42'}")
    return about


def _config(value: Any) -> None:
    """Nothing of it is passed; what would change how the run goes is refused."""
    given = _object("config", value)
    _nothing_else(given.keys() - {"recursion_limit", "tags", "metadata"}, "config")


def _answer(value: Any) -> Any:
    given = _object("command", value)
    answer = given.pop("resume", None)
    _nothing_else(given, "a command")
    if answer is None:
        raise Refused(422, "answer_unreadable", "a command is {'resume': answer}, e.g. {'resume': {'type': 'approve'}}")
    return answer


def _texts(value: Any, where: str) -> list[str]:
    given = _object(where, value)
    said = given.pop("messages", None)
    _nothing_else(given, where)
    messages = said if isinstance(said, list) else [said]
    if said is None or len(messages) > MESSAGES_MOST:
        raise Refused(422, "refused", f"{where} is {{'messages': [...]}} with 1 to {MESSAGES_MOST} new messages")
    return _short([_text(message) for message in messages])


def _text(message: Any) -> str:
    """The words of one message. Its id and all else of it are left out: an id of the client's could take the place of
    another message.
    """
    if isinstance(message, str):
        return message
    kind = message.get("type", message.get("role")) if isinstance(message, dict) else None
    if kind not in ("human", "user"):
        raise Refused(422, "refused", "new messages are of people: {'type': 'human', 'content': text}")
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    found = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part for part in parts]
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) < len(found):
        raise Refused(422, "refused", "a message holds text: nothing else in it can be masked")
    return "\n".join(texts)


def _short(texts: list[str]) -> list[str]:
    """The texts, looked at before the first of them is kept."""
    if (size := sum(map(len, texts))) > TEXT_MAX:
        words = f"the new messages have {size} characters; at most {TEXT_MAX} are taken at once"
        raise Refused(413, "text_too_long", words)
    return texts
