"""How well the check of drafts finds what was changed in sound sentences."""
