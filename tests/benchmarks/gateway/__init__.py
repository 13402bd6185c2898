"""What the gateway adds, beside two proxies that only pass on and LiteLLM's proxy with its check of tools, before the same stub.

Each server is a process of its own on one machine; they are asked in turns in one run, so compare what stands in one table. Processor time
is that of the server alone. The store, whose disk every answer with a call waits for, is in BENCHMARK_FOLDER, else among temporary files.
LiteLLM is installed for the run, or named by the variable LITELLM.
"""

from __future__ import annotations

from tests.benchmarks.report import Options, Report


def run(options: Options) -> Report:
    """See the modules beside this one, which the servers of the benchmark do not load."""
    from tests.benchmarks.gateway.comparing import compare

    return compare(0.6 if options.quick else 5.0, rival=options.peers != "none")
