"""How often 95 % intervals of the preference measures contain the true value, over 1,000 studies.

    python -m tests.bench.coverage [studies]

Constructed judges, 100 items each, and a panel of three judges with 40 items each.
"""

import sys
import time

from threadpoolctl import threadpool_limits

from tests.support.judge_worlds import JUDGE, PANEL, coverage


def main() -> None:
    """Prints the share of every measure."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    started = time.perf_counter()
    with threadpool_limits(limits=1):
        covered = coverage({"j": JUDGE}, 100, studies, 999) + coverage(PANEL, 40, studies, 999)
    for (metric, item_set), count in covered.items():
        print(f"{metric + ' ' + item_set:60} {count / studies:.3f}")
    print(f"{studies} studies in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
