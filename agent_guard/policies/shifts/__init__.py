"""How two versions of one key compare, one family of keys a file."""
