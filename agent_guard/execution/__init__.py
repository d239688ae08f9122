"""A decided call runs at most once, and its outcome is done, not done or unknown (law L5).

Read ``execute`` first: ``claim`` is the transaction before the run, ``attempt`` the run, ``settle`` the transaction
after it. ``readback`` tells apart what was asked, said and done, and ``breaker`` counts failures in a row. Afterwards,
``reconcile`` finds out what became of a call whose outcome nobody knows, and ``undoing`` derives the call that would
turn one back.
"""
