"""Where keys and secrets come from. They are never part of a prompt, a state, a log or an exception (B10).

The master key is the guard's own. Secrets are what the tools need to enter other systems; each belongs to one agent in
one environment, and nobody gets another's: a source has no fallback from one agent or environment to the next.
"""

from agent_guard.credentials.default import default_credentials
from agent_guard.credentials.environment import EnvironmentCredentials, key_variables
from agent_guard.credentials.file import FileCredentials
from agent_guard.credentials.key import VARIABLE, Keys
from agent_guard.credentials.keyring import KeyringCredentials
from agent_guard.credentials.memory import MemoryCredentials
from agent_guard.credentials.port import Credentials, Place, renew
from agent_guard.credentials.secret import Secret
from agent_guard.credentials.secrets import Secrets
from agent_guard.credentials.split import SplitCredentials

__all__ = [
    "VARIABLE",
    "Credentials",
    "EnvironmentCredentials",
    "FileCredentials",
    "KeyringCredentials",
    "Keys",
    "MemoryCredentials",
    "Place",
    "Secret",
    "Secrets",
    "SplitCredentials",
    "default_credentials",
    "key_variables",
    "renew",
]
