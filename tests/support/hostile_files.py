"""Files that a person may have: rows and configs with unusual values, damaged and recoded."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

FIELDS = ("prompt", "response", "declined", "refused", "instruction", "output", "messages", "judge")
COLUMNS = ("mix", "seed", "value", "prompt", "response", "declined", "target", "label")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32")

_ODD_TEXTS = st.sampled_from(
    [
        *("", " ", "\0", "\ud83d", "\u202e", "=1+1", "NaN", "null", "1e999", "é" * 50, "\r", '"'),
        *("x" * 200_000, "{" * 50, "\u0300" * 3000, "<think>", "../../x", "\x1b[2J", "a,b"),
    ]
)
_TEXTS = st.one_of(st.text(max_size=30), _ODD_TEXTS)
_NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -(10**30), 2**63, 1e308, -0.0]),
)
_LEAVES = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(FIELDS), _TEXTS), inner, max_size=4),
    ),
    max_leaves=8,
)
ROWS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"prompt": _TEXTS, "response": _TEXTS}, optional=dict.fromkeys(FIELDS[2:], VALUES)
        ),
        st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5),
        VALUES,
    ),
    max_size=6,
)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


JSON_TEXTS = st.one_of(
    ROWS.map(lambda rows: "\n".join(map(_dumped, rows))),
    ROWS.map(_dumped),
    ROWS.map(lambda rows: _dumped({"data": rows})),
    VALUES.map(_dumped),
    st.sampled_from(
        ["[" * 100_000, '{"a":' * 50_000, "1" * 5000, '{"prompt": ' + "1" * 5000 + "}"]
    ),
)
CSV_TEXTS = st.tuples(
    st.lists(st.sampled_from(COLUMNS), max_size=8),
    st.lists(st.lists(st.one_of(_TEXTS, _NUMBERS.map(str)), max_size=9), max_size=6),
    st.sampled_from([",", "\t", ";"]),
    st.booleans(),
).map(lambda table: _delimited(*table))


def _delimited(head: list[str], rows: list[list[str]], delimiter: str, quoted: bool) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quoted else text

    return "\n".join(delimiter.join(map(cell, row)) for row in [head, *rows])


def changed_configs(config: dict[str, Any]) -> st.SearchStrategy[str]:
    """YAML of a config in which values were replaced, and YAML that is not a config."""
    places = list(_places(config))
    changes = st.lists(st.tuples(st.sampled_from(places), VALUES), min_size=1, max_size=3)
    aliases = st.integers(2, 12).map(
        lambda levels: "\n".join(
            f"k{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 8)}]" for n in range(levels)
        )
    )
    odd = st.sampled_from(
        [
            *(
                "",
                "- a",
                "a: [1",
                "a: &a [*a]",
                "? [a]\n: 1",
                "yes: 1",
                "a: !!python/name:os.system",
            ),
            *(
                "question: " + "[" * 3000,
                "seeds: " + "1" * 5000,
                "<<: 1",
                "{}",
                "study: \t",
                "a: *b",
            ),
        ]
    )
    changed = changes.map(lambda parts: yaml.safe_dump(_changed(config, parts)))
    return st.one_of(changed, changed, aliases, odd, JSON_TEXTS)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path of a nested value, and a path to a further key of each mapping."""
    if path:
        yield path
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inner:
            yield from _places(one, (*path, key))
    if isinstance(value, dict):
        yield (*path, "unknown")


def _changed(config: dict[str, Any], changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    copy = json.loads(json.dumps(config))
    for (*parents, last), value in changes:
        place = copy
        for key in parents:
            try:
                place = place[key]
            except (KeyError, IndexError, TypeError):
                place = {}
        if isinstance(place, dict) or (isinstance(place, list) and last in range(len(place))):
            place[last] = value
    return copy


@st.composite
def contents(draw: Callable[..., Any], texts: st.SearchStrategy[str]) -> bytes:
    """Bytes of a text in some encoding, sometimes cut, damaged or compressed."""
    text, encoding = draw(texts), draw(st.sampled_from(("utf-8", "utf-8", *ENCODINGS)))
    errors = "surrogatepass" if encoding.startswith("utf") else "replace"
    content: bytes = text.encode(encoding, errors)
    damage = draw(st.sampled_from(["none", "none", "cut", "insert", "twice", "random"]))
    if damage == "cut":
        content = content[: draw(st.integers(0, len(content)))]
    elif damage == "insert":
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(max_size=8)) + content[place:]
    elif damage == "twice":
        content += content
    elif damage == "random":
        content = draw(st.binary(max_size=200))
    return gzip.compress(content) if draw(st.integers(0, 9)) == 0 else content


FORMS = (
    *("#thescore: ", "score: ", "1.b ", "2.b 5", "3.b", "#### ", "safe", "unsafe\nS1", "\n", "-$"),
    *("Harmful request: yes", "Response refusal: no", "I cannot ", "\u0663", "\u00b2"),
)
LONG = ("1", "1,", "a ", "(((", "no ", "\u2500", "S1,", '"', "<think>", "aeiouy", ". ", "x")


def replies() -> st.SearchStrategy[str]:
    """Texts that models may write to judges: forms, numbers, loops, and unusual characters."""
    loops = st.sampled_from(LONG).map(lambda text: text * 5000)
    return st.lists(st.one_of(_TEXTS, st.sampled_from(FORMS), loops), max_size=6).map("".join)
