"""The messages in an engine's log: its errors, its last lines, and what helps."""

import re

ERRORS_IN_MESSAGES = 5
LOG_LINES_IN_MESSAGES = 20
MORE_MEMORY = (
    " It was out of memory. If other processes use the GPU, lower engine.gpu_memory_utilization. "
    "If the KV cache is too small, raise it (on a CPU, raise engine.kv_cache_gib), or lower "
    "engine.max_model_len."
)
_OUT_OF_MEMORY = re.compile(r"out of memory|Free memory on device|memory for the cache|max seq len")
_NOISE = re.compile(r"Route: |nanobind|^ - (leaked|\.\.\. skipped)|^\S* *[\^~]+$")
_PREFIX = re.compile(r"^\(\w+ pid=\d+\) (?:\w+ [\d-]+ [\d:]+ \[[^\]]*\] )?")
_ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception)\b: ?")


def tail(text: str) -> str:
    """Returns the distinct error lines of a log, followed by its last lines."""
    lines = [_PREFIX.sub("", line) for line in text.splitlines() if not _NOISE.search(line)]
    errors = list(dict.fromkeys(line for line in lines if _ERROR.match(line)))
    return "\n".join(errors[-ERRORS_IN_MESSAGES:] + lines[-LOG_LINES_IN_MESSAGES:])


def remedy(text: str) -> str:
    """Returns what to do where an engine was out of memory; empty for other ends."""
    return MORE_MEMORY if _OUT_OF_MEMORY.search(text) else ""
