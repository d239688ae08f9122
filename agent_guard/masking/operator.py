"""Our pseudonyms as an operator of Presidio's anonymizer, for teams that already run a Presidio pipeline.

`Masker.mask` does not go through the anonymizer: that joins neighbours of one type, and two people beside each other
would become one pseudonym.
"""

from __future__ import annotations

from typing import Any

from presidio_anonymizer.operators import Operator, OperatorType

from agent_guard.masking.engine import our_type
from agent_guard.masking.identity import token_for

__all__ = ["Pseudonymize"]


class Pseudonymize(Operator):
    """Replaces a finding by the pseudonym of its value.

    Use it as ``OperatorConfig("agent_guard", {"vault": vault, "origin": "party"})`` after
    ``AnonymizerEngine().add_anonymizer(Pseudonymize)``.
    """

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        """Returns the pseudonym; ``params`` as checked by `validate`, with Presidio's ``entity_type``."""
        given = params or {}
        return token_for(
            our_type(str(given["entity_type"])), text, given["vault"], given["origin"], given.get("source", "")
        )

    def validate(self, params: dict[str, Any] | None = None) -> None:
        """Checks the operator's parameters.

        Raises:
            ValueError: ``vault`` or ``origin`` is missing.
        """
        for name in ("vault", "origin"):
            if not params or name not in params:
                raise ValueError(f"the agent_guard operator needs the parameter {name!r}")

    def operator_name(self) -> str:
        """The name an ``OperatorConfig`` calls it by."""
        return "agent_guard"

    def operator_type(self) -> OperatorType:
        """It anonymizes; `Masker.restore` is the way back."""
        return OperatorType.Anonymize
