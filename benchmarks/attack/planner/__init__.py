"""A simulated planner: it writes the plan that a careful model would write from the user's words and the tool list.

It is an algorithm and no table per task, and it KNOWS THE GROUND TRUTH: it is told which calls the user's task takes,
with which values, and decides only where each value can be said to come from. So what it reaches is the upper bound of
threat model T1 (the planner saw trusted text only); a real planner misses steps and sources that this one has. ``miss``
makes it worse: each source that is not the user's literal words becomes "filled in later" with that probability.

For each value, the first that holds:

    lit      it stands in the user's masked text: as a phrase, a number, or a day and time in words
    rec      one record of an earlier step's trusted result has it, and is the only one, or the only one whose other
             fields are what the user's text says
    const    closed words (truth values, enums), and text that nothing of which comes from a tool's output
    sel      it is of the one record that the user's superlative chooses: the largest, the cheapest, the best rating
    expr     a number that the user's words for arithmetic make of the numbers he said and of such records
    tmpl     text with such values in it: the user's own "Dinner at {name}", or the planner's words around a name
    rec      it is among the trusted values of an earlier step, but which one is not determined: asks
    extract  it stands in outside text that an earlier step returns: asks
    late     anything else: asks

Text that people will read counts as literal only where the user dictated it (in quotes, or after a colon), because
AgentDojo's ground truth abbreviates what a model would write ("Two more activities", "<summary>").
"""

from benchmarks.attack.planner.make import plan_of
from benchmarks.attack.planner.values import OPEN, Done, Planned, Slot, Traits

__all__ = ["OPEN", "Done", "Planned", "Slot", "Traits", "plan_of"]
