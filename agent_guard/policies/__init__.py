"""Policies looked at from outside: what is wrong in them, what a new version opens, why a call would be decided so.

``check.check``, ``diff.diff`` and ``explain.explain`` read policies and contracts; they decide nothing that a gateway
would believe, and write nothing.
"""
