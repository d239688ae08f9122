"""How a tool's function is run: in time, once, cut where it must be, on a loop or in a thread."""
