"""How the record is written; what is done with it afterwards stands in ``agent_guard.auditing``.

Read ``events`` first: an event of a call. ``format`` says what an event may hold, ``chain`` how events are linked, and
``cuts`` what is left where retention removed some, signed with ``ed25519``. Events name a policy by its hash:
``rulebook`` keeps its text, and ``enacting`` records that another one is in force.
"""
