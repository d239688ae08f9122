"""Whoever is told of each event of the record, once it is committed: a log, metrics, traces, or a class of the host's.

An event reaches a subscriber as it stands in the record: redacted, pseudonyms only. The subscribers shipped here pass
less on: words of closed sets, times and the ids that the guard made itself; no argument, no text, no person.
"""
