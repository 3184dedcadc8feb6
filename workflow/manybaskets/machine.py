"""The number types in which this machine computes fast.

A CPU without instructions for a type emulates it: a product of two matrices in bfloat16 then takes
20 times as long as in float32. Planning calls this module, so it does not import torch.
"""

import functools
import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Instruction sets that multiply numbers of a type. AVX512 without these and AVX_NE_CONVERT convert
# bfloat16, but do not multiply it.
NATIVE = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},  # the last is Arm's
    "float16": {"avx512_fp16", "amx_fp16", "asimdhp"},
}
# Values of ONEDNN_MAX_CPU_ISA under which a type is emulated, with those of all lower sets.
_OLDER = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
ONEDNN_LIMITS = {
    "bfloat16": {*_OLDER},
    "float16": {*_OLDER, "AVX512_CORE_BF16", "AVX512_CORE_AMX"},
}
TORCH_LIMITS = {"default", "avx2"}


def cpu_computes(dtype: str) -> bool:
    """Returns whether this CPU computes in `dtype` (float32, bfloat16, float16), not emulated.

    ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY can restrict torch to older instructions.
    """
    if dtype not in NATIVE:
        return dtype == "float32"
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    if limit.upper() in ONEDNN_LIMITS[dtype]:
        return False
    if os.environ.get("ATEN_CPU_CAPABILITY", "").lower() in TORCH_LIMITS:
        return False
    return bool(_instructions(CPUINFO) & NATIVE[dtype])


@functools.cache
def _instructions(path: Path) -> frozenset[str]:
    """Returns the instruction sets of the first core in a file like /proc/cpuinfo."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):  # x86, Arm
            return frozenset(value.split())
    return frozenset()
