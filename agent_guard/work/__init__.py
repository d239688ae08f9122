"""Carrying out what was answered elsewhere: one process at a time holds a thread."""
