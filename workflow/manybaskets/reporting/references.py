"""The references of a study's methods section."""

from manybaskets.config.study import StudyConfig
from manybaskets.probes.robustness import attacks, judges

REFERENCES = (
    "Schaffelder, M. and Gatt, A. Synthetic Eggs in Many Baskets: The Impact of Synthetic Data "
    "Diversity on LLM Fine-Tuning. arXiv:2511.01490.",
    "Feng, Y., Dohmatob, E., Yang, P., Charton, F. and Kempe, J. Beyond Model Collapse: Scaling Up "
    "with Synthesized Data Requires Verification. arXiv:2406.07515.",
    "Hu, E. et al. LoRA: Low-Rank Adaptation of Large Language Models. arXiv:2106.09685.",
)
OF_COLLAPSE = (
    "Zhu, Y. et al. Texygen: A Benchmarking Platform for Text Generation Models. arXiv:1802.01886.",
    "Li, J. et al. A Diversity-Promoting Objective Function for Neural Conversation Models. "
    "arXiv:1510.03055.",
)
OF_LOOPS = (
    "Gerstgrasser, M. et al. Is Model Collapse Inevitable? Breaking the Curse of Recursion by "
    "Accumulating Real and Synthetic Data. arXiv:2404.01413.",
    "Kazdan, J. et al. Collapse or Thrive? Perils and Promises of Synthetic Data in a "
    "Self-Generating World. arXiv:2410.16713.",
    "Alemohammad, S. et al. Self-Consuming Generative Models Go MAD. arXiv:2307.01850.",
)
OF_STATISTICS = (
    "Welch, B. L. The generalization of ‘Student's’ problem when several different population "
    "variances are involved. Biometrika 34, 1947.",
    "Holm, S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
    "Statistics 6, 1979.",
    "Benjamini, Y. and Hochberg, Y. Controlling the false discovery rate. Journal of the Royal "
    "Statistical Society B 57, 1995.",
    "Owen, A. B. The pigeonhole bootstrap. Annals of Applied Statistics 1, 2007.",
    "Page, E. B. Ordered hypotheses for multiple treatments: a significance test for linear ranks. "
    "Journal of the American Statistical Association 58, 1963.",
)


def references(config: StudyConfig) -> list[str]:
    """The references of the methods section."""
    collapse = OF_COLLAPSE if config.probes.collapse else ()
    if any(mix.loop for mix in config.mixes.values()):
        collapse = (*collapse, *OF_LOOPS)
    robustness: list[str] = []
    if settings := config.probes.robustness:
        for name in settings.attacks:
            robustness += attacks.attack(name).references if name in attacks.known() else ()
        for judge in settings.judges.values():
            robustness += judges.references(judge.by)
    return list(dict.fromkeys([*REFERENCES, *collapse, *robustness, *OF_STATISTICS]))
