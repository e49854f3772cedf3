"""A bucket of small files on the loopback."""

import pytest
from server import Bucket

from dabench.systems.gencast.fetch import download


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "bucket"
    root.mkdir()
    with Bucket(root).serving() as serving:
        yield serving
