"""URLs in configs and options: without credentials, which would be in specs, records and logs."""

import ipaddress
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator

SECRETS = frozenset(
    {
        *("key", "api_key", "apikey", "api-key", "token", "access_token", "auth", "password"),
        *("secret", "client_secret", "sig", "signature", "x-amz-signature", "x-amz-credential"),
        *("x-amz-security-token", "x-goog-signature", "x-goog-credential", "subscription-key"),
    }
)
"""Names of query fields that are credentials, in lower case."""


def checked_endpoint(url: str) -> str:
    """Returns the URL of an endpoint; raises ValueError if it is unusable or has a credential.

    The message does not contain the URL.
    """
    parts = _split(url)
    if "@" in parts.netloc:
        raise ValueError(
            "the URL contains a user name or password. Remove it, and set api_key_env to the name "
            "of an environment variable with the key"
        )
    if parts.query or parts.fragment:
        raise ValueError(
            "the URL contains a query or fragment (after ? or #). Remove it; for a key, set "
            "api_key_env to the name of an environment variable with it"
        )
    return url


def checked_file(url: str) -> str:
    """Returns the URL of a file; raises ValueError if it is unusable or has a credential."""
    parts = _split(url)
    names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if "@" in parts.netloc or names & SECRETS:
        raise ValueError(
            "the URL contains a password or key. Download the file, and name its local copy instead"
        )
    return url


def is_private(url: str) -> bool:
    """Returns whether a key in a request to a URL is encrypted or stays on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("not a URL of the form https://host/path. Correct it")
    return parts


EndpointUrl = Annotated[str, AfterValidator(checked_endpoint)]
FileUrl = Annotated[str, AfterValidator(checked_file)]
