"""Messages about a lost engine contain its errors, its last lines, and what helps."""

from manybaskets.serving import engine_log


def test_errors_come_first_and_noise_is_left_out() -> None:
    lines = ["(EngineCore pid=7) ERROR 12-01 05:00:00 [core.py:1] ValueError: too long"]
    lines += ["ValueError: too long", "Route: /health", *(f"line {n}" for n in range(30))]
    result = engine_log.tail("\n".join(lines)).splitlines()
    assert result[0] == "ValueError: too long"
    assert result[1:] == [f"line {n}" for n in range(10, 30)]


def test_only_an_engine_without_memory_has_a_remedy() -> None:
    assert "engine.kv_cache_gib" in engine_log.remedy("torch: CUDA out of memory")
    assert engine_log.remedy("ValueError: too long") == ""
