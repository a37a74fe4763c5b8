"""Recordings of the running kernel: those of the repository come out again, and new ones are conformed to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kvmlab.backends.kvm.vm import DEVICE_VARIABLE
from kvmlab.cli import main
from kvmlab.judge.record import differing, release

GOLDEN = Path(__file__).parent.parent / "golden"
OLD = GOLDEN / "linux-6.18.jsonl"


@pytest.mark.kvm
def test_the_recordings_of_the_repository_come_out_again(tmp_path: Path) -> None:
    """Byte for byte on the kernel they are of; on another one every step that differs would be told."""
    if release() != "6.18":
        pytest.skip(f"the recordings are of 6.18, and {release()} runs here")
    new = tmp_path / "again.jsonl"
    assert main(["record", "--again", str(OLD), str(new)]) == 0
    assert new.read_bytes() == OLD.read_bytes()


@pytest.mark.kvm
def test_a_recording_that_differs_is_told_by_its_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By trace, step and operation, with what was recorded and what is seen now; the status is 1."""
    changed = json.loads(OLD.read_text("utf-8").splitlines()[3])
    changed["steps"][2]["ret"] = 77
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text(json.dumps(changed) + "\n", "utf-8")
    assert main(["record", "--again", str(old), str(new)]) == 1
    told = capsys.readouterr().out
    assert main(["record", "--json", "--again", str(old), str(tmp_path / "third.jsonl")]) == 1
    assert json.loads(capsys.readouterr().out)["differing"] == [told.splitlines()[0]]
    assert f"{changed['name']}, step 2" in told and '"ret": 77' in told and "1 traces differ" in told
    assert differing(changed, json.loads(new.read_text("utf-8"))) != ""


@pytest.mark.kvm
def test_the_model_conforms_to_a_new_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every family, with several vCPUs; every field agrees."""
    new = tmp_path / "new.jsonl"
    assert main(["record", str(new), "--traces", "18", "--seed", "9"]) == 0
    assert "18 traces" in capsys.readouterr().out
    assert main(["conform", str(new)]) == 0
    assert "18 of 18 traces" in capsys.readouterr().out


def test_what_cannot_be_recorded_is_a_sentence_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is there, a family that is none, a recording of another kernel, no device."""
    there, new = tmp_path / "there.jsonl", tmp_path / "new.jsonl"
    there.write_text("kept", "utf-8")
    monkeypatch.setenv(DEVICE_VARIABLE, "/nowhere/kvm")
    for words, named in (
        ([str(there)], "exists"),
        ([str(new), "--family", "none"], "no family"),
        ([str(new), "--again", str(GOLDEN / "linux-3.6.jsonl")], "another kernel"),
        ([str(new), "--again", str(there)], "not JSON"),
        ([str(new)], "ENOENT"),
    ):
        assert main(["record", *words]) == 2
        assert named in capsys.readouterr().err
    assert there.read_text("utf-8") == "kept" and not new.exists()
