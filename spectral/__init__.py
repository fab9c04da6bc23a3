"""Student-teacher networks in the spectral parametrization: layers, training, pruning, measures.

A reproduction of Giambagli, Buffoni, Chicchi and Fanelli, *How a Student becomes a Teacher: learning and
forgetting through Spectral methods*, NeurIPS 2023, arXiv:2310.12612.

Importing this adds next to nothing to importing torch: what experiments need beside it (the store, and what that
brings) is loaded when one of its names is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spectral.curves import greedy_order, prune_sweep
from spectral.engine.plan import TrainingDiverged
from spectral.layers import SpectralLinear, load_whole
from spectral.penalties import split_l2
from spectral.prune import Pair, compact, mask, node_scores, rank
from spectral.students import Student

if TYPE_CHECKING:
    from spectral.lab.config import ConfigError, ExperimentConfig
    from spectral.lab.experiment import Trained, compute
    from spectral.lab.files import DamagedResult, StoreError
    from spectral.lab.results import Result, WeightsNotKept, run
    from spectral.lab.store import Store

__all__ = [
    "ConfigError",
    "DamagedResult",
    "ExperimentConfig",
    "Pair",
    "Result",
    "SpectralLinear",
    "Store",
    "StoreError",
    "Student",
    "Trained",
    "TrainingDiverged",
    "WeightsNotKept",
    "compact",
    "compute",
    "greedy_order",
    "load_whole",
    "mask",
    "node_scores",
    "prune_sweep",
    "rank",
    "run",
    "split_l2",
]

_LATER = {
    "ConfigError": "spectral.lab.config",
    "DamagedResult": "spectral.lab.files",
    "ExperimentConfig": "spectral.lab.config",
    "Trained": "spectral.lab.experiment",
    "Result": "spectral.lab.results",
    "Store": "spectral.lab.store",
    "StoreError": "spectral.lab.files",
    "WeightsNotKept": "spectral.lab.results",
    "compute": "spectral.lab.experiment",
    "run": "spectral.lab.results",
}


def __getattr__(name: str) -> Any:
    """A public name whose module is loaded when it is first asked for (PEP 562)."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
