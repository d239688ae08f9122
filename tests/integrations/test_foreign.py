"""LangChain's tools as contracts: what the model is shown, what the tool is given, what becomes of its answer."""

from __future__ import annotations

from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, ToolException, tool as langchain_tool
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.types import Command
from pydantic import BaseModel, Field, model_validator

from agent_guard import Gateway, Policy, Subject
from agent_guard.errors import ConfigError
from agent_guard.graph.wire import schema
from agent_guard.integrations.foreign import Output
from agent_guard.masking import Masker
from agent_guard.tool import Tool
from agent_guard.types import ToolResult

pytestmark = pytest.mark.req("A2", "B3")

USER = Subject(id="u1", tenant="acme", roles={"sales"})


class Place(BaseModel):
    street: str
    floor: int = 0


class Visit(BaseModel):
    who: str = Field(max_length=20)
    places: list[Place] = Field(max_length=3)
    day: date


class Shade(Enum):
    LIGHT = "light"
    DARK = "dark"


class Doors:
    """Runs converted tools through a gateway of their own."""

    def __init__(self, masker: Masker) -> None:
        self.masker, self.opened = masker, []

    def thread(self, made: Tool, **resources: Any) -> Any:
        """A conversation at a gateway that has this tool and permits it."""
        policy = Policy.model_validate(
            {
                "version": 1,
                "name": "foreign.v1",
                "tools": {made.name: {"roles": ["sales"], "mode": "execute", "approvers": {"roles": ["boss"]}}},
            }
        )
        gateway = Gateway(
            [made], policy, url="sqlite:///:memory:", environment="dev", resources=resources, masker=self.masker
        )
        self.opened.append(gateway)
        return gateway.open(USER)

    def run(self, made: Tool, args: dict[str, Any], **resources: Any) -> ToolResult:
        """One call."""
        return self.thread(made, **resources).invoke(made.name, args, call_id="c1")


@pytest.fixture
def doors(quick_masker: Masker) -> Any:
    """Gateways that are closed at the end."""
    made = Doors(quick_masker)
    yield made
    for gateway in made.opened:
        gateway.close()


def arguments(made: Tool) -> set[str]:
    """What the model may set."""
    return set(schema(made)["function"]["parameters"]["properties"]) - {"reason"}


def read(tool: Any, **more: Any) -> Tool:
    """The contract of a tool that reads."""
    return Tool.from_langchain(tool, **({"effect": "read", "timeout_s": 5, "text_limit": 100} | more))


# ---- what is handed over


def test_a_function(doors: Doors) -> None:
    """The simplest tool: its name, its words, its arguments with their defaults, and what it returns."""

    @langchain_tool
    def add(a: int, b: int = 2) -> int:
        """Adds two numbers."""
        return a + b

    made = read(add)
    assert (made.name, made.description, arguments(made)) == ("add", "Adds two numbers.", {"a", "b"})
    assert made.untrusted == {"output"}
    assert doors.run(made, {"a": 1}).content == {"output": 3}


def test_nested_models_are_handed_over_as_plain_data(doors: Doors) -> None:
    """The tool itself builds its models; they are not of the bounded copies that the contract was read with."""
    seen = []

    @langchain_tool
    def plan(visit: Visit, shade: Shade = Shade.LIGHT) -> str:
        """Plans a visit."""
        seen.append((visit, shade))
        return f"{visit.places[0].street}, {visit.day:%d.%m.}"

    made = read(plan)
    args = {"visit": {"who": "me", "places": [{"street": "Long Lane"}], "day": "2026-03-01"}, "shade": "dark"}
    assert doors.run(made, args).content == {"output": "Long Lane, 01.03."}
    ((visit, shade),) = seen
    assert (type(visit), type(visit.places[0]), visit.places[0].floor, shade) == (Visit, Place, 0, Shade.DARK)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"who": "x" * 21, "places": [], "day": "2026-03-01"}, "arguments_invalid"),
        ({"who": "me", "places": [{"street": "y" * 101}], "day": "2026-03-01"}, "arguments_invalid"),
        ({"who": "me", "places": [{"street": "y", "zip": 1}], "day": "2026-03-01"}, "argument_unknown"),
        ({"who": "me", "places": [], "day": "tomorrow"}, "arguments_invalid"),
        ({"who": "me", "places": [], "day": "2026-03-01", "also": 1}, "argument_unknown"),
    ],
)
def test_text_is_bounded_and_nothing_unknown_passes(doors: Doors, args: dict[str, Any], code: str) -> None:
    """A bound of the tool's own holds, every other text has the contract's, and what the tool would drop is refused."""

    def plan(**given: Any) -> str:
        """Plans a visit."""
        raise AssertionError(given)

    made = read(StructuredTool.from_function(plan, args_schema=Visit))
    assert doors.run(made, args).code == code


def test_a_validator_of_the_tool_is_asked_before_a_person(doors: Doors) -> None:
    """What the tool's own model would refuse is refused by the contract already."""

    class Span(BaseModel):
        low: int
        high: int

        @model_validator(mode="after")
        def _ordered(self) -> Span:
            if self.high < self.low:
                raise ValueError("high is below low")
            return self

    def within(low: int, high: int) -> int:
        """Counts."""
        return high - low

    made = read(StructuredTool.from_function(within, args_schema=Span))
    assert doors.run(made, {"low": 2, "high": 1}).code == "arguments_invalid"
    assert doors.run(made, {"low": 1, "high": 2}).content == {"output": 1}


def test_a_schema_that_inherits_keeps_its_arguments(doors: Doors) -> None:
    """What is injected is declared in a subclass: LangChain's own derived model hands on no field of its base."""
    from pydantic import create_model

    class Share(BaseModel):
        file_id: str
        shade: Shade

    given = []

    def share(**args: Any) -> str:
        """Shares."""
        given.append(args)
        return "done"

    hidden = create_model("Hidden", __base__=Share, state=(Annotated[Any, InjectedState], ...))
    tool = StructuredTool(name="share", description="Shares.", args_schema=hidden, func=share)
    made = read(tool, inject={"state": "memory"})
    assert arguments(made) == {"file_id", "shade"}
    assert doors.run(made, {"file_id": "1", "shade": "dark"}, memory=7).content == {"output": "done"}
    assert given == [{"file_id": "1", "shade": Shade.DARK, "state": 7}]


def test_without_a_limit_free_text_is_refused(doors: Doors) -> None:
    """A tool that takes text of any length cannot be registered, as one of our own cannot."""

    @langchain_tool
    def say(text: str) -> str:
        """Says."""
        return text

    with pytest.raises(ConfigError, match="'text' is text of any length"):
        doors.thread(read(say, text_limit=None))


class Lists(BaseModel):
    paths: list[str]
    few: list[str] = Field(default=[], max_length=3)
    either: list[str] | None = None
    nested: list[list[str]] = []
    tags: dict[str, str] = {}
    places: list[Place] = []
    pair: tuple[str, int] = ("a", 1)
    numbers: list[int] = []
    shades: list[Shade | None] = []
    days: dict[Shade, date] = {}


@pytest.mark.req("B12", "B18")
@pytest.mark.parametrize(
    ("args", "fine"),
    [
        ({"paths": ["x"] * 100}, True),
        ({"paths": ["x"] * 101}, False),
        ({"paths": ["y" * 101]}, False),
        ({"few": ["x"] * 3}, True),
        ({"few": ["x"] * 4}, False),
        ({"few": ["y" * 101]}, False),
        ({"either": ["x"] * 101}, False),
        ({"nested": [["x"] * 101]}, False),
        ({"nested": [["x"]] * 101}, False),
        ({"tags": {str(n): "x" for n in range(100)}}, True),
        ({"tags": {str(n): "x" for n in range(101)}}, False),
        ({"places": [{"street": "x"}] * 101}, False),
        ({"pair": ["x", 2]}, True),
        ({"numbers": [1] * 500}, True),
        ({"shades": ["dark"] * 500}, True),
        ({"days": {"dark": "2026-03-01"}}, True),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("schema", [False, True], ids=["model", "schema"])
def test_a_list_of_texts_has_a_number(doors: Doors, args: dict[str, Any], fine: bool, schema: bool) -> None:
    """With a text's limit a list has one too, which is the tool's own where it has one; closed values need none."""

    def gather(**given: Any) -> str:
        """Gathers."""
        return "done"

    shown: Any = Lists.model_json_schema() if schema else Lists
    if schema:
        shown["properties"].pop("pair")  # a schema of places in a row is none that is read
        args = {name: value for name, value in args.items() if name != "pair"}
    made = read(StructuredTool(name="gather", description="Gathers.", args_schema=shown, func=gather))
    result = doors.run(made, {"paths": []} | args)
    assert (result.status, result.code) == (("executed", "allowed") if fine else ("denied", "arguments_invalid"))


# ---- async


async def test_an_async_only_tool(doors: Doors) -> None:
    """It is awaited from both doors."""

    async def ask(text: str) -> str:
        """Asks."""
        return text.upper()

    made = read(StructuredTool.from_function(coroutine=ask, name="ask"))
    assert doors.run(made, {"text": "abc"}).content == {"output": "ABC"}
    result = await doors.thread(made).ainvoke("ask", {"text": "abc"}, call_id="c1")
    assert result.content == {"output": "ABC"}


def test_a_class_of_its_own(doors: Doors) -> None:
    """Subclasses of ``BaseTool``: one with both ways in is awaited, one without a coroutine is called."""

    class Both(BaseTool):
        name: str = "both"
        description: str = "Says which way it was called."

        def _run(self, n: int) -> str:
            return f"called {n}"

        async def _arun(self, n: int) -> str:
            return f"awaited {n}"

    class One(BaseTool):
        name: str = "one"
        description: str = "Says which way it was called."

        def _run(self, n: int) -> str:
            return f"called {n}"

    assert doors.run(read(Both()), {"n": 1}).content == {"output": "awaited 1"}
    assert doors.run(read(One()), {"n": 1}).content == {"output": "called 1"}


def test_a_slow_async_tool_is_cut(doors: Doors) -> None:
    """The time-out is the contract's; a read that took too long has failed."""
    import asyncio

    async def wait(n: int) -> str:
        """Waits."""
        await asyncio.Event().wait()
        return "never"

    made = read(StructuredTool.from_function(coroutine=wait, name="wait"), timeout_s=0.05, retries=0)
    assert (doors.run(made, {"n": 1}).status, doors.run(made, {"n": 2}).code) == ("failed", "timeout")


# ---- injected arguments


def test_injected_arguments_are_not_the_model_s(doors: Doors) -> None:
    """State, store, runtime and the call's id are in no schema; a model that sets one is refused."""

    @langchain_tool
    def look(
        n: int,
        state: Annotated[dict[str, Any], InjectedState],
        store: Annotated[Any, InjectedStore],
        runtime: ToolRuntime[Any, Any],
        call_id: Annotated[str, InjectedToolCallId],
    ) -> str:
        """Looks."""
        return f"{n} {state['x']} {store} {runtime.state} {bool(call_id)}"

    made = read(look, inject={"state": "memory", "store": "memory", "runtime": "world"})
    assert arguments(made) == {"n"}
    assert made.resources == ("memory", "world")
    world = ToolRuntime(state="w", context=None, config={}, stream_writer=print, tool_call_id="c", store=None)
    given = {"memory": {"x": 5}, "world": world}
    for name in ("state", "store", "runtime", "call_id"):
        assert doors.run(made, {"n": 1, name: {"x": 9}}, **given).code == "argument_unknown"
    assert doors.run(made, {"n": 1}, **given).content == {"output": "1 5 {'x': 5} w True"}


def test_what_nobody_can_inject_is_refused_when_it_is_converted() -> None:
    """Without a resource for it, a tool that needs the graph's state cannot be a contract; one with a default can."""

    @langchain_tool
    def needs(n: int, state: Annotated[dict[str, Any], InjectedState]) -> int:
        """Looks."""
        return n

    @langchain_tool
    def can_do_without(n: int, state: Annotated[dict[str, Any] | None, InjectedState] = None) -> int:
        """Looks."""
        return n

    with pytest.raises(ConfigError, match="'state' is injected by LangGraph"):
        read(needs)
    with pytest.raises(ConfigError, match="inject names 'n'"):
        read(needs, inject={"n": "memory", "state": "memory"})
    assert arguments(read(can_do_without)) == {"n"}


# ---- what comes back


class Card(BaseModel):
    title: str
    since: date


@pytest.mark.parametrize(
    ("value", "output"),
    [
        (None, None),
        ("text", "text"),
        ({"a": [1, 2.5, None, True]}, {"a": [1, 2.5, None, True]}),
        (Card(title="x", since=date(2026, 1, 2)), {"title": "x", "since": "2026-01-02"}),
        ([Card(title="x", since=date(2026, 1, 2))], [{"title": "x", "since": "2026-01-02"}]),
        ((1, 2), [1, 2]),
        ([{"type": "text", "text": "one"}], "one"),
        ([{"type": "text", "text": "one"}, {"type": "image", "base64": "AAAA"}], ["one", "(image)"]),
    ],
)
def test_an_answer_is_plain_data(doors: Doors, value: Any, output: Any) -> None:
    """Models, dates, tuples and blocks of content become JSON; pictures are left out."""

    @langchain_tool
    def give(n: int) -> Any:
        """Gives."""
        return value

    assert doors.run(read(give), {"n": 1}).content == {"output": output}


def test_content_with_an_artifact(doors: Doors) -> None:
    """The content is the answer; the artifact, which no model sees, is dropped."""

    @langchain_tool(response_format="content_and_artifact")
    def give(n: int) -> tuple[str, dict[str, str]]:
        """Gives."""
        return "seen", {"raw": "anna@acme.example"}

    assert doors.run(read(give), {"n": 1}).content == {"output": "seen"}


def test_a_command_to_the_graph_is_no_answer(doors: Doors) -> None:
    """No gateway carries it out, so a read fails and a write is unknown."""

    @langchain_tool
    def go(n: int) -> Command[str]:
        """Goes."""
        return Command(goto="end")

    assert doors.run(read(go), {"n": 1}).status == "failed"
    assert doors.run(read(go, effect="write"), {"n": 1}).status == "unknown"


@pytest.mark.parametrize("handled", [False, True, "It did not work."])
def test_an_error_is_never_an_answer(doors: Doors, handled: Any) -> None:
    """A tool that turns its errors into text would look successful: the call fails, or nobody knows."""

    def fail(n: int) -> str:
        """Fails."""
        raise ToolException("anna@acme.example is no customer")

    made = StructuredTool.from_function(fail, handle_tool_error=handled)
    assert doors.run(read(made), {"n": 1}).status == "failed"
    assert doors.run(read(made, effect="write"), {"n": 1}).status == "unknown"
    refused = doors.run(read(made, effect="write", rejections=(ToolException,)), {"n": 1})
    assert (refused.status, refused.code) == ("failed", "tool_rejected")
    assert made.handle_tool_error == handled  # the tool that was given is as it was


def test_outside_text_is_masked_and_untrusted(doors: Doors) -> None:
    """What a foreign tool returns is analysed, and a value out of it may be used for nothing that matters."""

    @langchain_tool
    def page(n: int) -> str:
        """Reads a page."""
        return "Write to eve@elsewhere.example."

    thread = doors.thread(read(page))
    assert thread.invoke("page", {"n": 1}).content == {"output": "Write to <EMAIL_1>."}
    (entry,) = thread.vault().entries()
    assert entry.origins == ("untrusted",)
    trusted = doors.thread(read(page, untrusted_output=False))
    trusted.invoke("page", {"n": 1})
    assert trusted.vault().entries()[0].origins == ("trusted",)


def test_no_tracer_sees_the_arguments(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the run's callbacks nor tracing that is switched on by a variable is told of the call (law L4)."""
    from langchain_core.tracers.context import _get_trace_callbacks
    from langchain_core.tracers.langchain import _get_executor  # noqa: F401 - the module must be loaded to be watched
    from langsmith import utils

    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    utils.get_env_var.cache_clear()
    seen = []

    @langchain_tool
    def look(n: int) -> str:
        """Looks."""
        from langchain_core.callbacks import CallbackManager

        seen.append(CallbackManager.configure().handlers)
        return "done"

    assert _get_trace_callbacks is not None
    assert doors.run(read(look), {"n": 1}).status == "executed"
    utils.get_env_var.cache_clear()
    assert seen == [[]]


# ---- a schema and nothing else


MCP = {
    "type": "object",
    "$defs": {"Who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    "properties": {
        "user-id": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["a", "b"]},
        "who": {"$ref": "#/$defs/Who"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}], "default": None},
        "limit": {"type": ["integer", "null"]},
        "page": {"type": "integer", "default": 1},
        "more": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    "required": ["user-id", "kind", "who"],
}


def mcp(given: list[dict[str, Any]], schema: Any = MCP) -> StructuredTool:
    """A tool as an MCP client makes it."""

    async def call(**args: Any) -> tuple[list[dict[str, Any]], None]:
        given.append(args)
        return [{"type": "text", "text": "found", "id": "lc_1"}], None

    return StructuredTool(
        name="find",
        description="Finds.",
        args_schema=schema,
        coroutine=call,
        response_format="content_and_artifact",
    )


def test_a_tool_with_a_json_schema(doors: Doors) -> None:
    """Types, bounds, choices, references and names that are no identifiers; what was left out is not sent as null."""
    given: list[dict[str, Any]] = []
    made = read(mcp(given))
    assert arguments(made) == set(MCP["properties"])
    found = doors.run(made, {"user-id": 3, "kind": "a", "who": {"name": "x"}, "more": {"n": 1.5}})
    assert found.content == {"output": "found"}
    assert given == [{"user-id": 3, "kind": "a", "who": {"name": "x"}, "more": {"n": 1.5}, "note": None, "page": 1}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"user-id": 0}, "arguments_invalid"),
        ({"user-id": "3"}, "arguments_invalid"),
        ({"kind": "c"}, "arguments_invalid"),
        ({"who": {}}, "arguments_invalid"),
        ({"who": {"name": "x" * 101}}, "arguments_invalid"),
        ({"who": {"name": "x", "age": 3}}, "argument_unknown"),
        ({"tags": ["a", "b", "c"]}, "arguments_invalid"),
        ({"note": "longer"}, "arguments_invalid"),
        ({"more": {"x": "y"}}, "arguments_invalid"),
        ({"unknown": 1}, "argument_unknown"),
    ],
)
def test_a_json_schema_is_enforced(doors: Doors, change: dict[str, Any], code: str) -> None:
    """LangChain hands such arguments on as they are; here nothing that the schema refuses reaches the tool."""
    given: list[dict[str, Any]] = []
    result = doors.run(read(mcp(given)), {"user-id": 3, "kind": "a", "who": {"name": "x"}} | change)
    assert (result.code, given) == (code, [])


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"$ref": "#/$defs/Loop"}, "leads in a circle"),
        ({"$ref": "#/$defs/Nothing"}, "leads in a circle or nowhere"),
        ({"type": "string", "pattern": "(?=a)b"}, "cannot be read"),
        ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, "allOf of several"),
        ({"enum": [{"a": 1}]}, "enum of something else"),
        ({"type": "tuple"}, "type 'tuple'"),
    ],
)
def test_a_schema_that_cannot_be_read_is_refused(part: dict[str, Any], words: str) -> None:
    """Nothing is guessed: the message names the argument."""
    loop = {"type": "object", "properties": {"inner": {"$ref": "#/$defs/Loop"}}}
    wrong = {"type": "object", "properties": {"x": part}, "$defs": {"Loop": loop}}
    with pytest.raises(ConfigError, match=words) as caught:
        read(mcp([], wrong))
    assert "tool 'find'" in str(caught.value)


@pytest.mark.parametrize("part", [{}, {"type": "object"}, {"type": "array"}, True])
def test_a_schema_that_takes_anything_is_refused_by_the_gateway(doors: Doors, part: Any) -> None:
    """An argument without a bound is no contract, whatever the limit of texts."""
    with pytest.raises(ConfigError, match="text of any length"):
        doors.thread(read(mcp([], {"type": "object", "properties": {"x": part}})))


# ---- what is no tool


def test_what_is_refused(tmp_path: Path) -> None:
    """A function, a name of another form, an option that there is not: each names what is wrong."""

    @langchain_tool("Get-User")
    def get(n: int, kind: Literal["a"] = "a") -> int:
        """Gets."""
        return n

    with pytest.raises(ConfigError, match="function is no LangChain tool"):
        read(lambda n: n)
    with pytest.raises(ConfigError, match="lower-case words"):
        read(get)
    with pytest.raises(ConfigError, match="did you mean 'sensitive'"):
        read(get, name="get_user", sensitives={"n"})
    with pytest.raises(ConfigError, match="sensitive names 'm'"):
        read(get, name="get_user", sensitive={"m"})
    made = read(get, name="crm.get_user", sensitive={"n"}, key=("n",), key_window="forever")
    assert (made.name, made.sensitive, made.key, made.key_window) == ("crm.get_user", {"n"}, ("n",), None)
    assert made.result_model is Output
