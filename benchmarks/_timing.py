"""Wall-clock times of calls that are compared, taking turns."""

import gc
import statistics
import time

from benchmarks._compiled import wait


def interleaved(calls, seconds, least=5, most=60, collect=False):
    """A, B, C, A, B, C, ...: a drift of the machine meets all of them alike.

    `collect` frees memory before each round: Keras leaves a torch step's to the
    collector, which must not run within a call. Not for calls of a millisecond, whose
    first in a round would find its caches cold.
    """
    for call in (*calls.values(), *calls.values()):
        wait(call())
    times = {name: [] for name in calls}
    gc.disable()
    end = time.perf_counter() + seconds
    for i in range(most):
        if i >= least and time.perf_counter() > end:
            break
        if collect:
            gc.collect()
        for name, call in calls.items():
            begin = time.perf_counter()
            result = call()
            wait(result)
            times[name].append(1e3 * (time.perf_counter() - begin))
            del result
    gc.enable()
    return {name: summary(values) for name, values in times.items()}


def summary(values):
    """Median and quartiles, in milliseconds."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median_ms": median, "quartiles_ms": [low, high], "runs": len(values)}
