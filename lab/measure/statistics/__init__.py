"""Statistics that carry n, method and uncertainty: pure functions over NumPy, SciPy loaded when needed."""

from lab.measure.statistics.agreement import Agreement, cohen_kappa, krippendorff_alpha
from lab.measure.statistics.bootstrap import SMALL_N, BootstrapMethod, paired_bootstrap
from lab.measure.statistics.inputs import cluster_means
from lab.measure.statistics.multiplicity import AdjustedP, holm
from lab.measure.statistics.power import PowerRow, pairs_needed, power_table
from lab.measure.statistics.proportions import (
    McNemarTest,
    WinRate,
    difference_of_rates,
    mcnemar_test,
    wilson,
    win_rate,
    zero_failure_bound,
)
from lab.measure.statistics.results import Estimate, PairedTest
from lab.measure.statistics.signflip import mean_interval, sign_flip_test, sign_flip_tests

__all__ = [
    "SMALL_N",
    "AdjustedP",
    "Agreement",
    "BootstrapMethod",
    "Estimate",
    "McNemarTest",
    "PairedTest",
    "PowerRow",
    "WinRate",
    "cluster_means",
    "cohen_kappa",
    "difference_of_rates",
    "holm",
    "krippendorff_alpha",
    "mcnemar_test",
    "mean_interval",
    "paired_bootstrap",
    "pairs_needed",
    "power_table",
    "sign_flip_test",
    "sign_flip_tests",
    "wilson",
    "win_rate",
    "zero_failure_bound",
]
