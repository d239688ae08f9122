"""Whether a drafted answer says what its sources say, judged by rules, without a model."""

from tools.grounding.check import Finding, Kind, Sentence, Verdict, check

__all__ = ["Finding", "Kind", "Sentence", "Verdict", "check"]
