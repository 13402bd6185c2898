"""Prints the section `gateway` of RESULTS.md.

python -m tests.benchmarks.gateway [SECONDS]

So many seconds for each server and number of connections.
"""

from __future__ import annotations

import sys

from tests.benchmarks.gateway.comparing import compare
from tests.benchmarks.writing import section

if __name__ == "__main__":
    report = compare(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0, rival=True)
    sys.stdout.write("\n".join(section(report)) + "\n")
