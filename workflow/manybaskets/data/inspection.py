"""How a file of rows is understood: format, shape, fields, languages, and rows left out."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from manybaskets.data.human_rows import CompleteRows
from manybaskets.data.tables import shapes
from manybaskets.data.tables.shapes import Record
from manybaskets.metrics.languages import language_of

EXAMINED = 100_000  # rows that are read; more take longer than a person waits
_IDENTIFIED = 200  # rows whose language is identified, at equal distances
_SHOWN = 5


@dataclass
class Inspection:
    """Findings about the first rows of a file."""

    rows: int = 0
    is_whole: bool = True
    prompts: int = 0
    """Different prompts, with their contexts."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of incomplete rows by reason."""
    first_left_out: dict[str, int] = field(default_factory=dict)
    """Number of the first row with each reason."""
    languages: Counter[str] = field(default_factory=Counter)
    """Rows by the language of their response; "unknown" for those that are too short or unclear."""
    with_context: int = 0
    example: Record | None = None


def inspect(rows: CompleteRows) -> Inspection:
    """Reads up to `EXAMINED` rows of a file; raises InputError if it cannot be read."""
    found = Inspection()
    prompts: set[int] = set()
    texts: list[str] = []
    for record in islice(shapes.records(rows.table, rows.shape), EXAMINED + 1):
        if found.rows == EXAMINED:
            found.is_whole = False
            break
        found.rows += 1
        if reason := rows.reason(record):
            found.left_out[reason] += 1
            found.first_left_out.setdefault(reason, record.number)
            continue
        found.example = found.example or record
        found.with_context += bool(record.context_messages)
        prompts.add(hash(record.key))
        texts.append((record.response or record.prompt or "")[:2000])
    found.prompts = len(prompts)
    step = max(len(texts) // _IDENTIFIED, 1)
    found.languages = Counter(language_of(text) or "unknown" for text in texts[::step])
    return found


def lines(rows: CompleteRows, found: Inspection) -> list[str]:
    """Returns the findings as lines of a name and a value."""
    table, shape = rows.table, rows.shape
    pairs = [("format", table.describe()), ("shape", shape.name)]
    pairs += shape.used()
    used = {name for _, name in shape.used()}
    fields = found.example.fields if found.example else {}
    if others := [name for name in fields if name not in used]:
        pairs.append(("not used", ", ".join(others[:20])))
    counted = f"{found.rows:,}" if found.is_whole else f"the first {found.rows:,}"
    pairs.append(("rows", f"{counted}, with {found.prompts:,} different prompts"))
    if found.with_context:
        pairs.append(
            ("context", f"{found.with_context:,} rows have a system message or earlier turns")
        )
    pairs += [("languages", _shares(found.languages))] if found.languages else []
    pairs += [("left out", text) for text in _left_out(rows, found)]
    width = max(len(name) for name, _ in pairs)
    return [f"  {name:<{width}}  {value}" for name, value in pairs]


def _left_out(rows: CompleteRows, found: Inspection) -> list[str]:
    texts = [
        f"{count:,} rows: {reason} (first: {rows.table.unit} {found.first_left_out[reason]})"
        for reason, count in found.left_out.most_common(_SHOWN)
    ]
    more = len(found.left_out) - len(texts)
    return [*texts, *([f"{more} other reasons"] if more > 0 else [])] or ["no rows"]


def _shares(counts: Counter[str]) -> str:
    total = counts.total()
    shares = [f"{name} {100 * count / total:.0f} %" for name, count in counts.most_common(_SHOWN)]
    return f"{', '.join(shares)} (of {total} rows)"
