"""Every test of the screen has folders of its own, and no colours or animations from outside."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of history and journals."""
    monkeypatch.setenv("KVMLAB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "state"
