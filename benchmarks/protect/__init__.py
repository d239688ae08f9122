"""``thread.invoke`` of a no-op write beside CTRLRun's ``@protect``, on SQLite files, in one run.

    python -m benchmarks.protect                         the table; what is not installed is told
    make bench-ctrlrun                                   the same, and CTRLRun is installed into .bench/ctrlrun first
    python -m benchmarks.protect.worker NAME FOLDER      one row's process; CTRLRun's run in CTRLRun's environment

Rows:

    agent_guard, claim flushed      as it is: what is written before the tool runs is flushed, once
    agent_guard, nothing flushed    every transaction at ``synchronous=NORMAL``
    CTRLRun, claim flushed          the same durability, got in the cheapest way that its code permits: the last write
                                    before the function runs (the event ``EXECUTION_STARTED``) is made with its
                                    connection at ``synchronous=FULL``. SQLite flushes its one log up to there, and the
                                    claim (``effects``) with it
    CTRLRun, all flushed            its connection at ``synchronous=FULL`` from the start; it commits each event alone
    CTRLRun, nothing flushed        as it comes: ``synchronous=NORMAL`` is set in ``SQLiteStateStore._connection``
    CTRLRun, no limit counted       the same without its grant and the grant's budget

CTRLRun's settings are the strictest that can be compared: an effect key (a call runs once), an authority whose one
grant has a budget by the minute as our policy has a limit by the minute, its chained receipts and events, and the copy
of these in JSON lines that ``Control.from_file`` makes; that copy is never flushed. Not compared: ours also reads the
text for personal data (profile ``patterns``), counts two limits a thread and looks for circles in the calls before;
CTRLRun asks none of that.

Each row runs in a process of its own, by the same code (``worker.py``), and only when it is told to: twenty calls, one
row after the other, round after round. Each call has a text of its own. CPU is that of the whole process. "writes" are
transactions that wrote, "flushes" those of them that ended with the database at ``FULL``; both are counted in calls
that are not timed: ours by what the store is asked for, CTRLRun's by the statements that SQLite reports.
"""
