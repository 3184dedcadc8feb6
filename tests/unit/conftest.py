"""One thread per process for linear algebra.

Tests run in as many processes as there are cores; with more threads than cores, numpy's and torch's
threads wait for each other, and some tests take ten times as long. The variable must be set before
numpy is imported.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
