"""What an auditor does with the record: seal it, verify it, search it, export it, count in it.

``seal`` signs the heads of all chains, so that whoever keeps the seal can tell later that nothing was cut off;
``verify`` names what was changed; ``replay`` reaches the recorded decisions again; ``export``, ``find`` and ``stats``
read the record as a stream, whatever its length.
None of them shows more than the record holds, and that is redacted.
"""
