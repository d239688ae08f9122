"""The root of a Merkle tree, as RFC 6962 defines it (section 2.1): leaves and nodes are hashed apart, by a first byte,
so that no node can be passed off as a leaf.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

__all__ = ["root"]


def root(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash of a list, 32 bytes; of any number of leaves in memory that grows with its logarithm."""
    whole: list[tuple[int, bytes]] = []  # complete trees from the left, each with its height, none as high as the next
    for leaf in leaves:
        node, height = sha256(b"\x00" + leaf).digest(), 0
        while whole and whole[-1][0] == height:
            node, height = _node(whole.pop()[1], node), height + 1
        whole.append((height, node))
    if not whole:
        return sha256().digest()
    node = whole.pop()[1]
    while whole:
        node = _node(whole.pop()[1], node)
    return node


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
