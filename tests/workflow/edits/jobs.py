"""Jobs of the micro study, as patterns of their paths."""

TUNED = {
    f"{stage}/wren/{{}}/*"
    for stage in (
        *("train", "sample_responses", "score_likelihood", "collapse"),
        *("run_attacks", "robustness", "judge_pairs", "preference"),
    )
}
END = {"findings", "figures", "report"}
ALL_TUNED = (
    {path.format(mix) for path in TUNED for mix in ("human", "multi")} | {"compare_judges"} | END
)
MULTI = {path.format("multi") for path in TUNED} | {"compare_judges"}
JUDGED = {"judge_pairs/*", "external_judge/*", "preference/*", "compare_judges"}
MEASURED = {"collapse/*", "robustness/*", "preference/*", "compare_judges"}
MODELS = {"train_tokenizer", "pretrain/*", "ngram_baseline"}
RESPONDED = {"sample_responses/*", "score_likelihood/*"}
SERVED = {
    "generate/*",
    "source_candidates/*",
    "run_attacks/*",
    "judge_pairs/*",
    "external_judge/*",
} | RESPONDED
AFTER_MODELS = SERVED | MEASURED | END | {"build_mix/multi/*", "train/*"}
SEED_3 = {f"{stage}/*/seed=3" for stage in ("generate", "build_mix")} | {
    f"{path.format(mix)[:-1]}seed=3" for path in TUNED for mix in ("human", "multi")
}
VANILLA_3 = {
    f"{stage}/wren/vanilla/seed=3"
    for stage in (
        *("sample_responses", "score_likelihood", "collapse"),
        *("run_attacks", "robustness", "judge_pairs", "preference"),
    )
}
TWO = {f"{path.format('multi')[:-1]}seed=2" for path in TUNED}
