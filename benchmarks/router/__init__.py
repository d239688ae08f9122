"""Requests in four languages with the corridor that each belongs to, and how many the router sends there."""
