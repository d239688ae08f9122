"""Model files are opened only when their SHA-256 is the one this version was tested with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agent_guard.errors import ConfigError

__all__ = [
    "ENGLISH_CLASSES", "ENGLISH_CRF", "KAZAKH_CLASSES", "KAZAKH_CRF", "NAVEC", "POLISH_CLASSES", "POLISH_CRF",
    "SLOVNET_NER", "verified",
]  # fmt: skip

NAVEC = "f07270833d78523edc5781538d67038e95b43975e4a7ae757c693b687f9cbfca"
"""`navec_news_v1_1B_250K_300d_100q.tar` of natasha 1.6.0."""
SLOVNET_NER = "16c3343a6572ddf0e2b2fc1923113de15a7f5ca5bde90e780dd590418665603e"
"""`slovnet_ner_news_v1.tar` of natasha 1.6.0."""
ENGLISH_CLASSES = "e21011bab466238c715dc5711181ad4ffb44f6bf43d84c612bcd81d213198ede"
"""`models/en.classes.zlib`, made by `training/train_en.py`."""
ENGLISH_CRF = "df180a8e68fba931adab971386330668080cb9ad4de957230ad9624dad8678a6"
"""`models/en.crfsuite`, made by `training/train_en.py`."""
KAZAKH_CLASSES = "0a516e648677bce3461ce235a066ebd15ac24cd78f863c4c49b5343d2621004a"
"""`models/kk.classes.zlib`, made by `training/train_kk.py`."""
KAZAKH_CRF = "7a915c5e8b0e8acc44badabd9e296c224256609132b3f5f76e89bf980b4e4f59"
"""`models/kk.crfsuite`, made by `training/train_kk.py`."""
POLISH_CLASSES = "d701e19c0fd2a60e8904dbf602d92252cf686e8607ad59cfe820657a88513c26"
"""`models/pl.classes.zlib`, made by `training/train_pl.py`."""
POLISH_CRF = "edcdf4143c77393682199ad436f55d024225bb51b0fee39338de9ea127751d07"
"""`models/pl.crfsuite`, made by `training/train_pl.py`; its words are looked up in `ENGLISH_CLASSES` too."""


def verified(path: Path, sha256: str) -> str:
    """Returns the path as text after checking the file.

    Raises:
        ConfigError: the file is missing or is not the tested one.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"masking model {path.name} cannot be read: {error.strerror}") from error
    if found != sha256:
        raise ConfigError(
            f"masking model {path.name} is not the file this version was tested with (sha256 {found[:12]}..., expected "
            f"{sha256[:12]}...); reinstall the package that carries it"
        )
    return str(path)
