"""Student-teacher networks in the spectral parametrization: layers, training, pruning, measures.

A reproduction of Giambagli, Buffoni, Chicchi and Fanelli, *How a Student becomes a Teacher: learning and
forgetting through Spectral methods*, NeurIPS 2023, arXiv:2310.12612.
"""

from spectral.experiment import ConfigError, ExperimentConfig, Run, compute
from spectral.layers import SpectralLinear
from spectral.prune import Pair, compact, greedy_order, mask, node_scores, prune_sweep, rank
from spectral.runs import Runs, WeightsNotKept, run
from spectral.store import DamagedResult, Store, StoreError
from spectral.students import Student
from spectral.train import TrainingDiverged, train

__all__ = [
    "ConfigError",
    "DamagedResult",
    "ExperimentConfig",
    "Pair",
    "Run",
    "Runs",
    "SpectralLinear",
    "Store",
    "StoreError",
    "Student",
    "TrainingDiverged",
    "WeightsNotKept",
    "compact",
    "compute",
    "greedy_order",
    "mask",
    "node_scores",
    "prune_sweep",
    "rank",
    "run",
    "train",
]
