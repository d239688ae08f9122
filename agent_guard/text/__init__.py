"""What a text says, however it is written: words, stems, spellings, stop-words and hosts.

``drawn`` and ``markup`` are how a text of somebody else is shown, ``yaml_lines`` is where a key of ours stands.
"""
