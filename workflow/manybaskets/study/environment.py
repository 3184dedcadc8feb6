"""Settings in the environment of jobs: they do not change a result."""

from manybaskets.config.models import Source
from manybaskets.config.probes import ModelEndpoint
from manybaskets.files import canonical_json
from manybaskets.study.layout import Study


def engine_environment(study: Study) -> str:
    """Returns the engine settings that do not change its replies, as JSON."""
    engine = study.config.engine
    return canonical_json(
        {
            "max_loras": min(engine.max_loras, len(study.cells)),
            "gpu_memory_utilization": engine.gpu_memory_utilization,
            "kv_cache_gib": engine.kv_cache_gib,
            "keep_alive": engine.keep_alive,
        }
    )


def endpoint_environment(study: Study) -> str:
    """Returns the variable of the key and the budget of each source or judge with an endpoint."""
    return canonical_json(
        {
            name: {"api_key_env": model.api_key_env, "token_budget": model.token_budget}
            for name, model in _sources_and_judges(study)
            if model.endpoint
        }
    )


def _sources_and_judges(study: Study) -> list[tuple[str, Source | ModelEndpoint]]:
    """Returns sources and judges with the names that their specs have."""
    robustness = study.config.probes.robustness
    judges = robustness.judges if robustness else {}
    return [
        *study.config.sources.items(),
        *((f"judge {name}", judge) for name, judge in judges.items()),
        *((f"preference judge {name}", judge) for name, judge in study.external_judges.items()),
    ]
