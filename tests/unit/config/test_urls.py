"""Credentials in URLs are refused, without repeating them."""

from typing import Any

import pytest

from manybaskets.config import urls, validation
from manybaskets.config.base import ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "https://me:SECRET@host/v1",
        "https://SECRET@host/v1",
        "https://host/v1?api_key=SECRET",
        "https://host/v1#SECRET",
        "ftp://host/SECRET",
        "file:///etc/SECRET",
        "SECRET",
        "https:///SECRET",
        "https://host:0/SECRET",
        "https://host:port/SECRET",
        "https://host/v1\nSECRET",
        "https://[::1/SECRET",
    ],
)
@pytest.mark.parametrize("place", ["sources", "robustness", "preference"])
def test_an_endpoint_with_a_credential_is_refused_and_not_repeated(
    study_config: dict[str, Any], url: str, place: str
) -> None:
    entry = {"endpoint": url, "model": "m"}
    if place == "sources":
        study_config.setdefault("sources", {})["far"] = entry
    else:
        by = {"by": "llama-guard"} if place == "robustness" else {}
        study_config.setdefault("probes", {})[place] = {"judges": {"far": entry | by}}
    with pytest.raises(ConfigError, match=r"far\.endpoint: ") as error:
        validation.load(study_config, "study.yaml")
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("name", ["api_key", "Token", "X-Amz-Signature", "sig"])
def test_a_signed_url_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="local copy"):
        urls.checked_file(f"https://host/rows.jsonl?version=2&{name}=abc")
    assert urls.checked_file("https://host/rows.jsonl?download=true")


def test_a_key_needs_encryption_or_this_machine(study_config: dict[str, Any]) -> None:
    far = {"endpoint": "http://host:8000/v1", "model": "m", "api_key_env": "KEY"}
    study_config.setdefault("sources", {})["far"] = far
    with pytest.raises(ConfigError, match=r"sources\.far\.endpoint: the key would be sent without"):
        validation.load(study_config, "study.yaml")
    for url in ("http://127.0.0.1:8000/v1", "http://localhost/v1", "https://host", "http://[::1]"):
        assert urls.is_private(url)
