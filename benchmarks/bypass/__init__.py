"""The portable bypass suite: attacks that every guard for tool calls should withstand.

    python -m benchmarks.bypass [--only NAME ...] [--cases WORD]     the table; exit code 1 if ours is bypassed
    python -m benchmarks.bypass.worker NAME                          one system, as JSON

``need.py`` says what must hold in neutral words, ``handle.py`` what a system under attack can be asked for, ``cases/``
holds the attacks as data, ``adapters/`` one file for each system. A system's own verdict is never trusted: the tool is
a fake that records what it was really called with (``desk.py``), and only that counts (``suite.py``).

Words of the table:

    held                the attack ran nothing that the need forbids
    held (crashed)      the same, but by an exception and not by a decision
    held (no start)     the system refuses to be built with such a policy
    BYPASSED            something ran that the need forbids
    cannot express      the system has no way to say what must hold, or then refuses the lawful call as well
    error               the adapter does not work; nothing is known

A case first makes a lawful call under the same need: a system that refuses everything holds nothing.
"""
