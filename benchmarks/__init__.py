"""What the figures of the README come from; ``make bench`` runs them.

    python -m benchmarks.conversation    one conversation: LangChain's agent bare, with its own guards, and ours
    python -m benchmarks.call            one guarded call without LangGraph

Both take ``--rounds N`` and ``--json``. Every figure is the median of interleaved rounds of one run, so that whatever
else the machine does meets all rows alike; compare rows of one run, never rows of two.
"""
