"""What a text says, however it is written: words, stems, spellings, stop-words and hosts."""
