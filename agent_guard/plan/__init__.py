"""The plan: what the model means to do, stated before it reads any outside text.

For each call the tool, the clause of the user's text that asks for it, how often, and a *source* for every argument.
Offsets count in the user's masked text. ``plan_check`` checks a plan, ``plan_match`` finds the step that a call is.
The format is closed: a word that it does not know, such as a condition (``when``), is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from agent_guard.types import JSON
from agent_guard.units import sha256

__all__ = [
    "Choice",
    "Const",
    "Expr",
    "Extract",
    "Has",
    "Late",
    "Lit",
    "Obj",
    "Plan",
    "Rec",
    "Sel",
    "Selection",
    "Source",
    "Span",
    "Step",
    "Tmpl",
    "leaves",
]

STEPS_MAX = 50
TIMES_MAX = 50
Span = Annotated[tuple[int, int], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)]
"""Half-open offsets into the user's masked text."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Path = Annotated[str, Field(min_length=1, max_length=200)]


class _Closed(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True
    )


class Lit(_Closed):
    """A value that the user wrote: ``{"lit": "Acme", "span": [12, 16]}``."""

    lit: str | int | float
    span: Span


class Has(_Closed):
    """A word or phrase of the user's that a field begins with, or holds from the beginning of a word."""

    has: Annotated[str, Field(min_length=2, max_length=100)]


Condition = str | int | float | bool | Has
"""What a field beside the wanted one must be."""


class Selection(_Closed):
    """A field of a record that an earlier step returned.

    Args:
        step: that step.
        field: the field's dotted path in its result, e.g. ``"amount"`` or ``"events.id"``; lists are looked through.
        where: fields beside it that must have these values.
    """

    step: Id
    field: Path
    where: dict[Path, Condition] = Field(default_factory=dict)


class Rec(_Closed):
    """A value from a system of record: ``{"rec": {"step": "s1", "field": "owner"}}``. One record must fit, else a
    person is asked.
    """

    rec: Selection


class Const(_Closed):
    """A value that the planner writes now, before any outside text is read: ``{"const": "Refund"}``."""

    const: JSON


class Choice(_Closed):
    """Which record of an earlier step is meant: the one whose field ``by`` is largest or smallest; a tie is asked."""

    op: Literal["argmax", "argmin"]
    over: Id
    by: Path
    field: Path
    where: dict[Path, Condition] = Field(default_factory=dict)


class Sel(_Closed):
    """A record chosen by the gateway: ``{"sel": {"op": "argmax", "over": "s1", "by": "size", "field": "id"}}``."""

    sel: Choice


class Terms(_Closed):
    op: Literal["add", "sub", "mul", "div"]
    of: Annotated[list[Source], Field(min_length=2, max_length=10)]


class Expr(_Closed):
    """Arithmetic that the gateway does itself: ``{"expr": {"op": "sub", "of": [{"lit": ...}, {"rec": ...}]}}``. The
    result counts to two decimals.
    """

    expr: Terms


class Tmpl(_Closed):
    """A text with values in it: ``{"tmpl": "Dinner at {name}", "with": {"name": {"rec": ...}}}``."""

    tmpl: Annotated[str, Field(max_length=2000)]
    parts: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Source] = Field(alias="with")


class Origin(_Closed):
    step: Id
    type: Annotated[str, Field(max_length=40)] = "any"


class Extract(_Closed):
    """A value that will be read out of outside text; a person is always asked: ``{"extract": {"step": "s1"}}``."""

    extract: Origin


class Bounds(_Closed):
    max: int | None = Field(default=None, ge=1)


class Late(_Closed):
    """A value that is written later: ``{"late": {"max": 600}}``. A person is asked, unless the call makes a draft."""

    late: Bounds


class Obj(_Closed):
    """An object whose parts have sources of their own: ``{"obj": {"id": {"const": 1}}}``."""

    obj: dict[str, Source]


def _kind(value: Any) -> str | None:
    """The word of the format that a source is written with."""
    if isinstance(value, (list, tuple)):
        return "list"
    words = value if isinstance(value, Mapping) else type(value).model_fields if isinstance(value, _Closed) else ()
    return next(
        (word for word in ("lit", "rec", "const", "extract", "late", "obj", "sel", "expr", "tmpl") if word in words),
        None,
    )


Source = TypeAliasType(
    "Source",
    "Annotated["
    'Annotated[Lit, Tag("lit")] | Annotated[Rec, Tag("rec")] | Annotated[Const, Tag("const")] | '
    'Annotated[Extract, Tag("extract")] | Annotated[Late, Tag("late")] | Annotated[Obj, Tag("obj")] | '
    'Annotated[Sel, Tag("sel")] | Annotated[Expr, Tag("expr")] | Annotated[Tmpl, Tag("tmpl")] | '
    'Annotated[list[Source], Tag("list")], Discriminator(_kind, custom_error_type="source", custom_error_message='
    '"a source is one of lit, rec, const, extract, late, obj, sel, expr, tmpl, or a list of sources")]',
)
"""Where one argument's value comes from; a list of sources is an exact set."""


class Step(_Closed):
    """One intended call.

    Args:
        evidence: the clause of the user's text that asks for it.
        times: how often it may run.
        args: argument -> source; an argument that is left out keeps its default.
    """

    id: Id
    tool: Annotated[str, Field(min_length=1, max_length=100)]
    evidence: Span
    times: int = Field(default=1, ge=1, le=TIMES_MAX)
    args: dict[str, Source] = Field(default_factory=dict)


class Plan(_Closed):
    """The steps, in the order in which they are meant. Build one from a mapping with ``Plan.model_validate``."""

    steps: Annotated[
        tuple[Step, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
    ]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON."""
        return sha256(self.model_dump(mode="json"))

    def step(self, step_id: str) -> Step | None:
        """The step of this id, or None."""
        return next((step for step in self.steps if step.id == step_id), None)


def leaves(source: Any) -> list[Any]:
    """The sources that stand at the ends of a nested one, in order."""
    if isinstance(source, (list, tuple)):
        return [leaf for item in source for leaf in leaves(item)]
    if isinstance(source, Obj):
        return [leaf for item in source.obj.values() for leaf in leaves(item)]
    if isinstance(source, Expr):
        return leaves(source.expr.of)
    if isinstance(source, Tmpl):
        return [source, *leaves(list(source.parts.values()))]
    return [source]
