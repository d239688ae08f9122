"""What an operator does to gateways at work, each act recorded: the red button, agents, the master key.

Read ``button`` first: a flag is pressed or released. ``enrolment`` adds and revokes agents, which stand in the table of
``agents``; ``scopes`` names what a flag is about, and ``rotation`` changes the master key.
"""
