"""Warnings about settings that this machine computes slowly."""

from collections.abc import Iterator

from manybaskets.devices import on_cpu
from manybaskets.machine import NATIVE, cpu_computes
from manybaskets.study.layout import Study


def notes(study: Study) -> Iterator[str]:
    """Yields a sentence for each type of numbers that this CPU emulates; none on a GPU."""
    models = [name for name in study.config.models if name != study.embedder]
    if not on_cpu() or not models:
        return
    engine = study.config.engine
    dtypes = {name: engine.of_model(name).dtype for name in models}
    if "auto" in dtypes.values() and not cpu_computes("bfloat16"):
        yield (
            "engine.dtype: this CPU has no bfloat16 instructions, so that auto is float32. "
            "Training and scoring on a CPU use float32 too."
        )
    for dtype in NATIVE:
        slow = [name for name in models if dtypes[name] == dtype]
        if slow and not cpu_computes(dtype):
            yield (
                f"engine.dtype: this CPU emulates {dtype} (models {', '.join(slow)}); float32 is "
                "about 20 times as fast. Use auto or float32."
            )
