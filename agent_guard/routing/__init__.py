"""The parts of the intent router: how a request is read, what a corridor is, and what never enters one.

``Router`` in :mod:`agent_guard.router` is put together from these. Standard library, pydantic and YAML only.
"""
