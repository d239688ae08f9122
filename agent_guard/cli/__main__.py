"""``python -m agent_guard.cli``."""

from agent_guard.cli import main

main()
