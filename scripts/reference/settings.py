"""The settings of ``guard.yaml`` and their variables."""

from __future__ import annotations

from pydantic import BaseModel

from agent_guard.notifications.hooks import Hooks
from agent_guard.settings import _FROM_VARIABLES, Settings
from scripts.reference.markdown import arguments, head, table

__all__ = ["page"]

_VARIABLES = """| variable | what it is |
| --- | --- |
| `AGENT_GUARD_MASTER_KEY` | the master key, 32 bytes in base64; needed outside `dev` unless a file or keyring holds it |
| `AGENT_GUARD_MASTER_KEY_DEV`, `AGENT_GUARD_MASTER_KEY_STAGE`, `AGENT_GUARD_MASTER_KEY_PROD` | the master key of one environment; it wins |
| `AGENT_GUARD_SECRET_<ENVIRONMENT>_<AGENT>_<NAME>` | one secret of one agent in one environment, e.g. `AGENT_GUARD_SECRET_PROD_DEFAULT_CRM_TOKEN` |
| `AGENT_GUARD_CALDAV`, `AGENT_GUARD_SLACK_CHANNEL`, `AGENT_GUARD_ZOOM_USER` | which systems stand behind the reference application's tools: `graphs/systems.py` |"""


def page() -> str:
    told = arguments(Settings)
    rows = []
    for name, field in Settings.model_fields.items():
        if name == "source":
            continue
        variable = f"`AGENT_GUARD_{name.upper()}`" if name in _FROM_VARIABLES else ""
        default = field.get_default(call_default_factory=True)
        plain = default is not None and not isinstance(default, BaseModel | dict | frozenset)
        shown = f"`{_word(default)}`" if plain else ""
        rows.append([f"`{name}`", variable, shown, told[name]])
    hooks = ", ".join(f"`{name}`" for name in Hooks.model_fields)
    return (
        head(
            "Settings",
            "`guard.yaml` in the working folder, else `.agent_guard/guard.yaml`, else the file that `--config` names. "
            "A variable wins over the file. An unknown key is refused.",
        )
        + "\n\n"
        + table(["setting", "variable", "default", "what it is"], rows)
        + f"\n\n`hooks` has {hooks}: see [alerts and notices](../how-to/alerts.md).\n\n## Other variables\n\n"
        + _VARIABLES
        + "\n"
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
