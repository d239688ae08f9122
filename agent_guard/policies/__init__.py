"""Policies looked at from outside: what is wrong in them, what a new version opens, why a call would be decided so, and
what recorded calls would have become under another one.

``check.check``, ``diff.diff`` and ``explain.explain`` read policies and contracts, ``simulate.simulate`` the record
too; they decide nothing that a gateway would believe, and write nothing.
"""
