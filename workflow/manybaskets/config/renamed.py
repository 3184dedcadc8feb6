"""Config keys and values that were renamed. An old name is refused with the new one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Problem = tuple[str, str]  # key, text


@dataclass(frozen=True)
class Renamed:
    """A key in its section, where `*` stands for any name, with its new name or new values."""

    path: str
    new: str | None = None
    values: tuple[tuple[str, str], ...] = ()


_SELECT, _JUDGES = "mixes.*.select", "probes.robustness.judges.*"
_ENDPOINTS = ("sources.*", _JUDGES, "probes.preference.judges.*")
_TRAINING = ("training", "training.of.*", "training.per_target.*")
_LEARNING = ("eigenvalues.generator", "eigenvalues.student")

RENAMED = (
    Renamed("dataset.splits", "split_method"),
    Renamed("models.*.scratch.manners_tokens", "sft_tokens"),
    *(Renamed(f"{section}.key_env", "api_key_env") for section in _ENDPOINTS),
    *(Renamed(f"{section}.max_tokens_total", "token_budget") for section in _ENDPOINTS),
    Renamed(f"{_SELECT}.best-of", "best_of"),
    Renamed(f"{_SELECT}.as-many-as", "match_keep_rate"),
    Renamed(f"{_SELECT}.as_many_as", "match_keep_rate"),
    Renamed(f"{_SELECT}.short", "on_shortfall", values=(("stop", "error"),)),
    Renamed(f"{_SELECT}.on_shortfall", values=(("stop", "error"),)),
    Renamed(f"{_SELECT}.verifier.reads", "input"),
    *(Renamed(f"{section}.accumulation", "gradient_accumulation") for section in _TRAINING),
    *(Renamed(f"{section}.checkpointing", "gradient_checkpointing") for section in _TRAINING),
    Renamed("training.of", "per_target"),
    Renamed("engine.of", "per_model"),
    Renamed("probes.collapse.same_meaning", "similarity_threshold"),
    Renamed("probes.robustness.copies", "local_files"),
    Renamed("probes.robustness.target", "compliance_prefix"),
    Renamed("probes.robustness.labelled", "human_labels"),
    Renamed(f"{_JUDGES}.unparsed", "max_unparsed_rate"),
    Renamed("probes.preference.controls", "control_pairs"),
    Renamed("probes.preference.check", "answer_format"),
    Renamed("eigenvalues.arms.*.as_many_as", "match_keep_rate"),
    *(Renamed(f"{section}.batch", "batch_size") for section in _LEARNING),
    *(Renamed(f"{section}.rate", "learning_rate") for section in _LEARNING),
    *(Renamed(f"{section}.warmup", "warmup_steps") for section in _LEARNING),
    *(Renamed(f"{section}.evaluate", "eval_steps") for section in _LEARNING),
)


def renamed_keys(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Every old key or value in a parsed config, with the new name."""
    for entry in RENAMED:
        *sections, key = entry.path.split(".")
        for place, section in _sections(raw, sections):
            if key in section:
                yield from _problems(entry, ".".join((*place, key)), section[key])


def _problems(entry: Renamed, key: str, value: Any) -> Iterator[Problem]:
    new_value = dict(entry.values).get(value) if isinstance(value, str) else None
    if entry.new and new_value:
        yield key, f"was renamed, and so was its value. Write {entry.new}: {new_value}."
    elif entry.new:
        yield key, f"was renamed to '{entry.new}'. Rename the key; its values are unchanged."
    elif new_value:
        yield key, f"the value '{value}' was renamed to '{new_value}'. Change the value."


def _sections(
    raw: Any, path: list[str], place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The sections of a parsed config that match a path, with the names of their keys."""
    if not isinstance(raw, Mapping):
        return
    if not path:
        yield place, raw
        return
    names = list(raw) if path[0] == "*" else [name for name in (path[0],) if name in raw]
    for name in names:
        yield from _sections(raw[name], path[1:], (*place, str(name)))
