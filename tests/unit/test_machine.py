"""The number types that a CPU computes without emulation."""

from pathlib import Path

import pytest

from manybaskets import machine

AVX2 = "flags\t\t: fpu sse4_2 avx avx2 f16c fma\n"
AVX512 = "flags\t\t: fpu avx2 avx512f avx512bw avx512vl avx512_vnni\n"
ZEN4 = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512bw avx512_bf16\n\nprocessor\t: 1\n"
SAPPHIRE_RAPIDS = "flags\t\t: avx512f avx512_bf16 avx512_fp16 amx_bf16 amx_tile\n"
GRAVITON3 = "Features\t: fp asimd asimdhp bf16 i8mm\n"


@pytest.mark.parametrize(
    ("cpuinfo", "types"),
    [
        (AVX2, []),
        (AVX512, []),  # emulated, although torch calls it supported
        (ZEN4, ["bfloat16"]),
        (SAPPHIRE_RAPIDS, ["bfloat16", "float16"]),
        (GRAVITON3, ["bfloat16", "float16"]),
        ("model name\t: an unknown processor\n", []),
    ],
)
def test_instruction_sets_decide_which_types_are_native(
    cpuinfo: str, types: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, cpuinfo)
    native = [dtype for dtype in ("bfloat16", "float16") if machine.cpu_computes(dtype)]
    assert native == types
    assert machine.cpu_computes("float32")
    assert not machine.cpu_computes("fp8")


def test_a_machine_without_cpuinfo_counts_as_without_bfloat16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "missing")
    assert not machine.cpu_computes("bfloat16")


@pytest.mark.parametrize(
    ("variable", "value", "types"),
    [
        ("ONEDNN_MAX_CPU_ISA", "AVX2", []),
        ("ONEDNN_MAX_CPU_ISA", "avx512_core", []),
        ("DNNL_MAX_CPU_ISA", "AVX512_CORE_BF16", ["bfloat16"]),
        ("ATEN_CPU_CAPABILITY", "avx2", []),
        ("ATEN_CPU_CAPABILITY", "avx512", ["bfloat16", "float16"]),
    ],
)
def test_variables_that_restrict_the_instructions_are_respected(
    variable: str,
    value: str,
    types: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, tmp_path, SAPPHIRE_RAPIDS)
    monkeypatch.setenv(variable, value)
    assert [dtype for dtype in ("bfloat16", "float16") if machine.cpu_computes(dtype)] == types


def use(monkeypatch: pytest.MonkeyPatch, folder: Path, cpuinfo: str) -> None:
    (folder / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(machine, "CPUINFO", folder / "cpuinfo")
    for variable in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"):
        monkeypatch.delenv(variable, raising=False)
