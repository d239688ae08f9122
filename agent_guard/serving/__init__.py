"""The door of a LangGraph server: who calls, what a request may hold, masked on its way in and restored on its way out.

    server's auth (auth) -> GuardHTTP (http) -> LangGraph's own routes -> the graphs

Nothing here runs a graph: the server does. What it stores has passed :class:`~agent_guard.serving.http.GuardHTTP`.
"""
