"""All the reading that a decision needs (law L3). A call is looked at here twice, in the same way: when it is proposed,
and again when it runs.

Read ``gather`` first: it asks the directory and the system of record, with no transaction open, and ``rendering`` asks
a tool what a call would say. ``recall`` reads the guard's own tables, in the transaction that writes the decision.
``arguments`` and ``where`` read what stands in the call, and ``trail`` keeps what its thread has seen, for
:mod:`agent_guard.provenance`. ``preview`` is what a person is shown of all this. What comes out are
:class:`agent_guard.facts.Facts`; nothing is decided here.
"""
