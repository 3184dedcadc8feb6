"""All stages, in the order of a study."""

from typing import Any

from manybaskets.stages import (
    collapse,
    data,
    findings,
    loops,
    mixes,
    models,
    preference,
    probes,
    robustness,
    selection,
    sources,
    training,
)
from manybaskets.stages.base import Stage

ALL: tuple[Stage[Any, Any], ...] = (
    data.CollectDocstrings(),
    data.DownloadFile(),
    data.PrepareDataset(),
    models.TrainTokenizer(),
    models.Pretrain(),
    models.DownloadModel(),
    models.NgramBaseline(),
    sources.Generate(),
    sources.SourceCandidates(),
    selection.ScoreResponses(),
    selection.SelectRows(),
    selection.VerifierQuality(),
    mixes.BuildMix(),
    loops.LoopGenerate(),
    loops.LoopMix(),
    training.Train(),
    collapse.EmbedReference(),
    collapse.SampleResponses(),
    collapse.ScoreLikelihood(),
    collapse.Collapse(),
    robustness.DownloadRequests(),
    robustness.OptimiseSuffixes(),
    robustness.RunAttacks(),
    robustness.JudgeHarm(),
    robustness.JudgeLabelled(),
    robustness.Robustness(),
    preference.CellCandidates(),
    preference.JudgePairs(),
    preference.Preference(),
    preference.ExternalJudge(),
    preference.CompareJudges(),
    probes.MeasureResponses(),
    findings.Findings(),
    findings.Figures(),
    findings.Report(),
)
STAGES: dict[str, Stage[Any, Any]] = {stage.name: stage for stage in ALL}
