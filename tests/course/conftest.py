"""Each test has folders of its own for what a learner has."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KVMLAB_CONFIG_DIR", str(tmp_path / "config"))
