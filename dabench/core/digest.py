"""Digests of settings, which tell whether two things are the same."""

import hashlib
import json
from typing import Any


def sha256(content: Any) -> str:
    """The sha256 of plain data, as 64 hexadecimal digits; the order of keys does not matter.

    Arguments:
        content: What JSON can hold: numbers, texts, lists, mappings.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
