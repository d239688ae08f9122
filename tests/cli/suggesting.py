"""The shipped scenario and a twin of it, under policies of the current folder."""

from dataclasses import replace
from pathlib import Path

import graphs

_SDR = graphs.SCENARIOS["sdr_qualification"]

SCENARIOS = {
    "sdr_qualification": replace(_SDR, policy=Path("policy.yaml")),
    "twin": replace(_SDR, name="twin", policy=Path("twin.yaml")),
}
