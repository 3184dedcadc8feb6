"""One table in every format, encoding and compression; damaged files."""

import bz2
import gzip
import json
import lzma
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from manybaskets.data.tables.formats import open_table, read_table
from manybaskets.files import InputError

ROWS = [
    {"prompt": "Name a bird.", "response": "The gull,\nof the sea: “a bird”."},
    {"prompt": "Nenne einen Vogel für mich.", "response": "Die Möwe.\u2028Sie fliegt."},
    {"prompt": "鳥の名前は?", "response": 'A "quoted" word; a\ttab.'},
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def _delimited(delimiter: str) -> str:
    lines = [["prompt", "response"], *([row["prompt"], row["response"]] for row in ROWS)]
    quoted = (['"' + value.replace('"', '""') + '"' for value in line] for line in lines)
    return "".join(delimiter.join(line) + "\n" for line in quoted)


TEXTS = {
    "rows.jsonl": LINES,
    "rows.json": json.dumps(ROWS, indent=2),
    "one-line.json": json.dumps(ROWS),
    "wrapped.json": json.dumps({"version": 1, "data": ROWS, "more": [1]}, indent=1),
    "wrapped-line.json": json.dumps({"data": ROWS}),
    "columns.json": json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}),
    "objects.json": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "rows.csv": _delimited(","),
    "rows.tsv": _delimited("\t"),
    "semicolons.csv": _delimited(";"),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_text_format_is_read_in_every_encoding(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_text(TEXTS[name], encoding=encoding, newline="")
    assert [row.fields for row in read_table(path)] == ROWS


@pytest.mark.parametrize("name", ["rows.jsonl", "wrapped.json", "rows.csv"])
def test_the_content_decides_and_not_the_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / "table.data"
    path.write_text(TEXTS[name], encoding="utf-8", newline="")
    assert [row.fields for row in read_table(path)] == ROWS


def _zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": _zstd,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def _parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


def _feather(path: Path) -> None:
    feather.write_feather(pa.Table.from_pylist(ROWS), str(path))


def _arrow_stream(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=2)


WRITERS = {"parquet": _parquet, "feather": _feather, "arrow": _arrow_stream}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", *WRITERS])
def test_every_format_is_read_compressed(tmp_path: Path, name: str, compression: str) -> None:
    plain = tmp_path / "plain"
    if name in WRITERS:
        WRITERS[name](plain)
    else:
        plain.write_text(TEXTS[name], encoding="utf-8", newline="")
    path = tmp_path / f"{name}.{compression}"
    path.write_bytes(COMPRESSIONS[compression](plain.read_bytes()))
    table = open_table(path)
    assert table.compression
    assert [row.fields for row in table.rows()] == ROWS
    assert [row.fields for row in table.rows()] == ROWS  # also the second time


@pytest.mark.parametrize("name", WRITERS)
def test_columnar_files_are_read(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / "rows.bin")
    assert [row.fields for row in read_table(tmp_path / "rows.bin")] == ROWS


def test_a_saved_dataset_is_read(tmp_path: Path) -> None:
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"), num_shards=2)
    rows = read_table(tmp_path / "saved")
    assert [row.fields for row in rows] == ROWS
    assert [row.number for row in rows] == [1, 2, 3]


def test_a_split_of_a_saved_dataset_dict_is_read(tmp_path: Path) -> None:
    parts = {"train": ROWS[:2], "test": ROWS[2:]}
    saved = {name: datasets.Dataset.from_list(rows) for name, rows in parts.items()}
    datasets.DatasetDict(saved).save_to_disk(str(tmp_path / "saved"))
    assert [row.fields for row in read_table(tmp_path / "saved", "test")] == ROWS[2:]
    with pytest.raises(InputError, match=r"has several splits\. Set split to one of train, test"):
        open_table(tmp_path / "saved")
    with pytest.raises(InputError, match="no split 'dev'"):
        open_table(tmp_path / "saved", "dev")


def test_a_saved_dataset_names_only_its_own_files(tmp_path: Path) -> None:
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    state = tmp_path / "saved" / "state.json"
    state.write_text(json.dumps({"_data_files": [{"filename": "../../secret.arrow"}]}))
    with pytest.raises(InputError, match="which the folder does not have"):
        open_table(tmp_path / "saved")


def test_rows_have_the_number_of_their_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('\n{"a": 1}\n\n{"a": 2}\n')
    (tmp_path / "rows.csv").write_text('a,b\n"1\n2",x\n\n3,y\n')
    assert [row.number for row in read_table(tmp_path / "rows.jsonl")] == [2, 4]
    assert [row.number for row in read_table(tmp_path / "rows.csv")] == [2, 5]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "", "is empty"),
        ("rows.jsonl", " \n\n", "is empty"),
        ("rows.jsonl", "\ufeff\n", "is empty"),
        ("rows.json", "[]", "has no rows"),
        ("rows.csv", "a,b\n", "has no rows"),
        ("rows.csv", "a,b\n1,2\n1,2,3\n", "line 3: the row has 3 fields, the heading has 2"),
        ("rows.csv", "a,b\n1,2,\n", "line 2: the row has 3 fields"),
        ("rows.csv", "a,b\n1\n", "line 2: the row has 1 fields"),
        ("rows.csv", 'a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote that is opened in this row is nev"),
        ("rows.csv", 'a,b\n"1"2,3\n', "line 2: not readable as CSV"),
        ("rows.csv", "a,a\n1,2\n", "line 1: the heading has the column 'a' twice"),
        ("rows.jsonl", '{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("rows.jsonl", '{"a": 1}\n[1]\n', "line 2: found a list, expected a JSON object"),
        ("rows.jsonl", '{"a": 1, "a": 2}\n{"a": 1}\n', "line 1: the key 'a' occurs twice"),
        ("rows.json", '[{"a": 1}, {"b": {"c": 1, "c": 2}}]', "the key 'c' occurs twice"),
        ("rows.json", '{"data": [{"a": 1}], "data": []}', "the key 'data' occurs twice"),
        ("rows.json", '[{"a": 1}\n{"a": 2}]', "line 2: not JSON .expected ','"),
        ("rows.json", '[{"a": 1}] x', "more text follows"),
        ("rows.json", '[{"a": 1}', "line 1: not JSON"),
        ("rows.jsonl", '{"a": 1}\n{"a": ' + "9" * 5000 + "}\n", "line 2: it contains an integer"),
        ("rows.jsonl", '{"a": 1}\n' + "[" * 10**5 + "\n", "line 2: the JSON is nested too deep"),
        ("rows.json", "[" * 10**5, "line 1: the JSON is nested too deeply"),
        ("rows.json", '{"a": ' + '{"b": ' * 10**5, "line 1: the JSON is nested too deeply"),
        ("rows.txt", "Once upon a time\nthere was a gull.\n", "neither JSON nor a heading"),
    ],
)
def test_a_damaged_text_is_one_sentence_with_its_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(InputError, match=message) as error:
        read_table(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) - len(str(path)) < 400
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_latin_1_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    start = '{"prompt": "a"}\n' if name == "rows.jsonl" else "prompt,response\n"
    bad = '{"prompt": "f\xfcr"}\n' if name == "rows.jsonl" else "f\xfcr,x\n"
    (tmp_path / name).write_bytes((start + bad).encode("latin-1"))
    with pytest.raises(InputError, match=r"line 2: not UTF-8 \(byte 0xfc\).*Save the file as"):
        read_table(tmp_path / name)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_cut_compressed_file_is_named(tmp_path: Path, compression: str) -> None:
    path = tmp_path / f"rows.jsonl.{compression}"
    whole = "".join(f'{{"prompt": "{number * 7919}"}}\n' for number in range(20_000))
    data = COMPRESSIONS[compression](whole.encode())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"rows.jsonl.*(damaged|cannot be read)"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "ZIP archive"),
        (b"\x80\x04\x95", "a pickle, which can run code"),
        (b"PAR1 but nothing else", "not readable as Parquet"),
        (b"ARROW1\0\0 but nothing else", "not readable as Arrow"),
        ("text".encode("utf-16-le"), "neither a known format nor UTF-8"),
    ],
)
def test_other_files_are_refused_with_what_is_read(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "file")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        open_table(tmp_path / "nowhere.jsonl")


def test_long_cells_are_read(tmp_path: Path) -> None:
    text = "word " * 500_000
    (tmp_path / "rows.csv").write_text(f'prompt,response\na,"{text}"\n')
    (tmp_path / "rows.json").write_text(json.dumps([{"response": text}, {"response": text}]))
    assert read_table(tmp_path / "rows.csv")[0].fields["response"] == text
    assert [row.fields["response"] for row in read_table(tmp_path / "rows.json")] == [text, text]


def test_an_array_is_read_whatever_chunks_cut(tmp_path: Path) -> None:
    rows = [{"n": number, "text": "é\\" * (number % 50)} for number in range(30_000)]
    (tmp_path / "rows.json").write_text(json.dumps(rows, indent=1))
    assert [row.fields for row in read_table(tmp_path / "rows.json")] == rows
