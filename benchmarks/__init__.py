"""What the figures of the README come from; ``make bench`` runs them.

    python -m benchmarks.conversation    one conversation: LangChain's agent bare, with its own guards, and ours
    python -m benchmarks.call            one guarded call without LangGraph
    python -m benchmarks.databases       a no-op write on SQLite and PostgreSQL, with its flushes
    python -m benchmarks.protect         the same on SQLite beside CTRLRun's ``@protect``
    python -m benchmarks.growth          a call among a million, and late in a long conversation

Each tells its options with ``--help``. Every figure is the median of interleaved rounds of one run, so that whatever
else the machine does meets all rows alike; compare rows of one run, never rows of two.
"""
