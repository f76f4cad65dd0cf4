from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.events.records import Book, Parsed
from tests.unit.events.test_ledger import a_day
from worker.commands.verify import verify
from worker.errors import LedgerError, SourceUnreadable


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[Parsed]], str]:
    def put(records: list[Parsed]) -> str:
        file = tmp_path / "events.jsonl"
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        return str(file)

    return put


Write = Callable[[list[Parsed]], str]


def test_a_good_file(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    verify(write(a_day().records))
    shown = capsys.readouterr().out
    assert "lobby" in shown
    assert "1..14" in shown
    assert "skipped: max_fps 8, superseded 3, stopping 2, inference_error 1" in shown


@pytest.mark.parametrize(
    ("change", "message", "finding"),
    [
        (lambda r: r.pop(4), "1 hole", "hole lobby line 5: record 5 is missing"),
        (lambda r: r.insert(5, r[4]), "1 repeat", "repeat lobby line 6: lobby/1/5 was there before"),
        (lambda r: r[4].update(seq=50, id="lobby/1/50"), "1 hole, 1 order", "hole lobby line 5: records 5..49"),
    ],
)
def test_one_removed_one_repeated_one_renumbered(
    write: Write,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[Parsed]], None],
    message: str,
    finding: str,
) -> None:
    records = a_day().records
    change(records)
    with pytest.raises(LedgerError, match=message) as told:
        verify(write(records))
    assert told.value.exit_code == 1
    assert finding in capsys.readouterr().out


def test_as_json(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    records = a_day().records
    del records[4]
    with pytest.raises(LedgerError):
        verify(write(records), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["streams"]["lobby"]["events"] == 6
    assert told["faults"] == {"hole": 1}
    assert told["findings"][0]["where"] == "line 5"


def test_only_the_named_streams(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    broken, whole = Book("door"), a_day()
    broken.event()
    broken.event({"max_fps": 1})
    broken.records[1]["skipped"] = {}
    source = write(broken.records + whole.records)
    verify(source, stream=["lobby"])
    assert "door" not in capsys.readouterr().out
    with pytest.raises(LedgerError, match="1 unexplained"):
        verify(source)


def test_lines_that_are_no_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"type": "emotion.frame.v1"}\n\n[1]\n\xff\xfe{\n' + b'{"a": ' * 30)
    with pytest.raises(LedgerError, match="4 invalid"):
        verify(str(file))
    assert "line 3: holds no JSON object" in capsys.readouterr().out


def test_many_findings_are_counted_and_not_all_shown(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book()
    for _ in range(100):
        book.event()
    with pytest.raises(LedgerError, match="49 hole"):
        verify(write(book.records[::2]))
    assert "... and 29 more" in capsys.readouterr().out


def test_nothing_is_not_green(tmp_path: Path, write: Write) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(LedgerError, match="nothing to check"):
        verify(str(empty))
    with pytest.raises(LedgerError, match="of these streams"):
        verify(write(a_day().records), stream=["elsewhere"])
    with pytest.raises(SourceUnreadable, match=r"cannot read .*: No such file"):
        verify(str(tmp_path / "absent.jsonl"))
    with pytest.raises(SourceUnreadable, match="directory"):
        verify(str(tmp_path))


@pytest.mark.parametrize("as_json", [False, True])
def test_another_kind_of_file_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    file = tmp_path / "README.md"
    file.write_text("# A title\n\nwords\n[1, 2]\n")
    with pytest.raises(
        SourceUnreadable, match=r"README\.md is no events file: none of its 3 lines is a record in JSON"
    ):
        verify(str(file), as_json=as_json)
    assert capsys.readouterr().out == ""
