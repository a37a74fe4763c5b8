"""The model against recordings of Linux 3.6, and the comparison against itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kvmlab.judge.conform import conform, main
from kvmlab.judge.recording import BadRecording, read

GOLDEN = Path(__file__).parent.parent / "golden"
LINUX_3_6 = GOLDEN / "linux-3.6.jsonl"
SHARES = 4

SET_IRQ = {"op": "set_irq", "source": 0, "gsi": 11, "level": 1}
TRACE: dict[str, Any] = {
    "name": "t",
    "kernel": "3.6",
    "vcpus": 1,
    "steps": [{"op": SET_IRQ, "ret": 1, "obs": {}}],
}


def written(folder: Path, *traces: object) -> Path:
    """Write traces to a file and return it."""
    file = folder / "t.jsonl"
    file.write_text("".join(json.dumps(trace) + "\n" for trace in traces))
    return file


def first_divergence(file: Path) -> str:
    """Return the field of the one divergence of a file."""
    (divergence,) = conform(file).divergences
    return divergence.field


def merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    """Merge a change into a step, field by field."""
    for key, value in change.items():
        if isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def golden(name: str) -> tuple[dict[str, Any], list[list[str]]]:
    """Return a hand-designed trace and its texts."""
    traces = map(json.loads, LINUX_3_6.read_text().splitlines())
    texts = map(json.loads, (GOLDEN / "linux-3.6.tracetext.jsonl").read_text().splitlines())
    trace = next(trace for trace in traces if trace["name"] == name)
    return trace, next(text["trace"] for text in texts if text["name"] == name)


@pytest.mark.parametrize("share", range(SHARES))
def test_model_behaves_as_linux_3_6(share: int) -> None:
    """Every recorded field of every recorded trace agrees, tracepoint texts included."""
    result = conform(LINUX_3_6, only=lambda name: sum(name.encode()) % SHARES == share)
    assert result.traces > 0
    assert [str(divergence) for divergence in result.divergences] == []
    assert (result.steps_agreed, result.fields_agreed) == (result.steps, result.fields)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ret": 2}, "ret"),
        ({"obs": {"ioapic": {"irr": "0x1"}}}, "ioapic.irr"),
        ({"obs": {"ioapic": {"redir": {"14": "0x0000000000008061"}}}}, "ioapic.redir.14"),
        ({"obs": {"lapic": {"0": {"irr": [96]}}}}, "lapic.0.irr"),
        ({"obs": {"lapic": {"0": {"arb": 1}}}}, "lapic.0.arb"),
        ({"obs": {"pic": {"master": {"output": 1}}}}, "pic.master.output"),
        ({"obs": {"sources": [0, 1]}}, "sources"),
        ({"obs": {"acks": [14]}}, "acks"),
        ({"obs": {"rtc": {"pending_eoi": 0}}}, "rtc.pending_eoi"),
    ],
)
def test_every_kind_of_field_is_compared(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    """A recording that is changed in one field diverges in that field, at that step."""
    trace, _ = golden("level-held-reinjected-at-eoi")
    merge(trace["steps"][6], change)
    (divergence,) = conform(written(tmp_path, trace)).divergences
    assert (divergence.step, divergence.field) == (6, field)


def test_fields_that_did_not_change_are_compared_too(tmp_path: Path) -> None:
    """An observation holds only what changed; a change that it does not tell is a divergence."""
    trace, _ = golden("level-held-reinjected-at-eoi")
    del trace["steps"][6]["obs"]["ioapic"]
    assert first_divergence(written(tmp_path, trace)).startswith("ioapic.")


@pytest.mark.parametrize("edit", ["missing", "other", "extra"])
def test_trace_text_is_compared_line_by_line(tmp_path: Path, edit: str) -> None:
    """A text that is missing, worded otherwise or one too many is a divergence."""
    trace, texts = golden("level-held-reinjected-at-eoi")
    step = texts[6]
    texts[6] = {"missing": step[1:], "other": [step[0] + "x", *step[1:]], "extra": [*step, "kvm_eoi: "]}[edit]
    file = written(tmp_path, trace)
    text = {"name": trace["name"], "kernel": "3.6", "trace": texts}
    file.with_suffix(".tracetext.jsonl").write_text(json.dumps(text) + "\n")
    assert first_divergence(file).startswith("trace.")


def test_first_divergence_of_each_trace_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A trace ends at its first divergence; the next one is replayed all the same."""
    good, _ = golden("reset-state")
    bad, _ = golden("level-held-reinjected-at-eoi")
    for step in bad["steps"][3:]:
        step["ret"] = 99
    result = conform(written(tmp_path, bad, good))
    assert [(d.trace, d.step, d.recorded) for d in result.divergences] == [(bad["name"], 3, 99)]
    assert (result.traces, result.traces_agreed) == (2, 1)
    assert result.summary().startswith("1 of 2 traces, ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", ":1: not JSON: "),
        ("[]", ":1: not a JSON object"),
        ("{}", ':1: "name" is missing'),
        (json.dumps({"name": "a", "kernel": "3.6", "trace": [[]]}), "the recording beside it: name that"),
        (json.dumps({**TRACE, "name": 7}), '"name" must be of type str'),
        (json.dumps({**TRACE, "kernel": "2.4"}), "only recordings of 3.6 and 6.x can be replayed"),
        (json.dumps({**TRACE, "vcpus": 0}), '"vcpus" must be a number from 1 to 8, not 0'),
        (json.dumps({**TRACE, "steps": [7]}), "step 0: not an object"),
        (json.dumps({**TRACE, "steps": [{"op": {"op": "jump"}}]}), "step 0: unknown operation 'jump'"),
        (json.dumps({**TRACE, "steps": [{"op": SET_IRQ, "obs": {}}]}), 'step 0: "ret" is missing'),
        (
            json.dumps({**TRACE, "steps": [{"op": {**SET_IRQ, "source": 64}, "ret": 0, "obs": {}}]}),
            '"source" must be a number from 0 to 63, not 64',
        ),
        (
            json.dumps({**TRACE, "steps": [{"op": {"op": "take", "vcpu": 1}, "ret": 0, "obs": {}}]}),
            '"vcpu" is 1, but there are 1',
        ),
        (
            json.dumps({**TRACE, "steps": [{"op": {"op": "pio_read", "port": "0xzz"}, "ret": 0, "obs": {}}]}),
            "'0xzz' is not a hexadecimal number",
        ),
        ("[" * 100_000, ":1: not JSON: "),
    ],
)
def test_bad_file_is_named_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    """What cannot be replayed is said in a sentence with file, line and key."""
    file = tmp_path / "bad.jsonl"
    file.write_text(text + "\n")
    with pytest.raises(BadRecording) as caught:
        conform(file)
    assert str(caught.value).startswith(f"{file}:1: ")
    assert why in str(caught.value)


def test_file_that_is_not_there_or_not_text_is_said_so(tmp_path: Path) -> None:
    """No traceback for a missing file, nor for one that is not UTF-8."""
    file = tmp_path / "bad.jsonl"
    with pytest.raises(BadRecording, match="cannot be read: No such file"):
        conform(file)
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(BadRecording, match=":1: not UTF-8"):
        conform(file)
    file.write_bytes(b"")
    with pytest.raises(BadRecording, match="holds no trace"):
        conform(file)


def test_text_of_another_length_is_refused(tmp_path: Path) -> None:
    """Texts belong to steps one by one."""
    file = written(tmp_path, TRACE)
    file.with_suffix(".tracetext.jsonl").write_text(json.dumps({"name": "t", "trace": []}) + "\n")
    with pytest.raises(BadRecording, match="1 steps, but the trace text has 0"):
        conform(file)


def test_file_is_read_one_trace_at_a_time(tmp_path: Path) -> None:
    """A good trace comes out before the bad line after it is looked at."""
    file = written(tmp_path, TRACE, "no trace")
    recordings = read(file)
    assert next(recordings).name == "t"
    with pytest.raises(BadRecording, match=":2: not a JSON object"):
        next(recordings)


def test_exit_status_tells_agreement_divergence_and_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 only if everything agreed; the summary is the last line, what is bad goes to stderr."""
    good, _ = golden("reset-state")
    agreed = written(tmp_path, good)
    diverged = tmp_path / "diverged.jsonl"
    diverged.write_text(json.dumps({**good, "steps": [{**good["steps"][0], "ret": 5}]}) + "\n")
    assert main([str(agreed)]) == 0
    assert capsys.readouterr().out.startswith(f"{agreed}: 1 of 1 traces, ")
    assert main([str(diverged)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "reset-state, step 0 (take), ret: recorded 5, seen -1"
    assert main([str(tmp_path / "none.jsonl"), str(agreed)]) == 2
    told = capsys.readouterr()
    assert "cannot be read" in told.err
    assert "1 of 1 traces" in told.out


def test_json_is_one_object_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get the same numbers, and the error of a bad file in its object."""
    good, _ = golden("reset-state")
    missing = str(tmp_path / "none.jsonl")
    assert main([str(written(tmp_path, good)), missing], as_json=True) == 2
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["traces"], first["traces_agreed"], first["divergences"]) == (1, 1, [])
    assert (second["file"], "cannot be read" in second["error"]) == (missing, True)


@pytest.mark.parametrize("name", [".", "/", "/dev/zero", "/dev/full"])
def test_what_is_no_file_of_text_is_refused(name: str) -> None:
    """A folder or a device is refused before anything is read from it."""
    with pytest.raises(BadRecording, match="is no file that holds text"):
        conform(name)


@pytest.mark.parametrize(
    ("value", "why"),
    [("0x" + "f" * 5000, "5000 hexadecimal digits"), (10**300, "must be a number"), ("0xg", "hexadecimal")],
)
def test_a_number_that_cannot_be_is_refused_with_its_line(tmp_path: Path, value: object, why: str) -> None:
    """A number that no register holds names the file, the line and the step."""
    op = {"op": "mmio_write", "vcpu": 0, "addr": "0xfec00000", "value": value}
    trace = {"name": "x", "kernel": "3.6", "vcpus": 1, "steps": [{"op": op, "ret": 0, "obs": {}}]}
    file = tmp_path / "bad.jsonl"
    file.write_text(json.dumps(trace) + "\n", encoding="utf-8")
    with pytest.raises(BadRecording, match=rf"bad\.jsonl:1: step 0: .*{why}"):
        conform(file)


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line longer than a trace can be is not read to its end."""
    monkeypatch.setattr("kvmlab.judge.recording.LONGEST_LINE", 100)
    file = tmp_path / "long.jsonl"
    file.write_text("x" * 1000, encoding="utf-8")
    with pytest.raises(BadRecording, match=r"long\.jsonl:1: is longer"):
        conform(file)
