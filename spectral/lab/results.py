"""What a run leaves behind: loaded if it is in the store, else trained and kept.

Kept of every member: scores, eigenvalues, errors, a few epochs of history, and what pruning costs. Weights take most
of the space, so only those of nodes that have not vanished are kept, of all spectral members, and of as many direct
members as fit `KEEP_NUMBERS`, at least `KEEP_MEMBERS`. Teachers and patterns are not kept: their seeds give them back.

Axes: E members, K kept members, h_S nodes of a student, d inputs, m nodes of the second layer, N points of a sweep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from spectral.curves import prune_sweep
from spectral.engine.ladder import Rungs
from spectral.engine.train import Checkpoint, History, Loop, epochs_to_record
from spectral.errors import Told
from spectral.lab import presets
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.experiment import Trained, check_device, compute, draw_task, make_student
from spectral.lab.files import DamagedResult
from spectral.lab.provenance import describe, revision
from spectral.lab.store import Arrays, Store
from spectral.measures import nodes_found, survivors
from spectral.prune import ScoreKind, node_scores, rank
from spectral.stats.intervals import Interval, Statistic, by_teacher, estimate, mean
from spectral.streams import Member
from spectral.students import Student
from spectral.tasks import Task

_NO_MEMORY = re.compile(r"DefaultCPUAllocator: |not enough memory|Storage size calculation overflowed")
SWEPT: tuple[ScoreKind, ...] = ("incoming", "product")
"""Scores in whose order the nodes of every member were pruned."""

KEEP_MEMBERS = 5
KEEP_NUMBERS, KEEP_TOGETHER = 130_000, 400_000
"""The second where several teachers have several students each, which are there to be compared with each other."""

Trainer = Callable[[ExperimentConfig, Checkpoint], Arrays]

AXES = {
    **{"scores": "Eh", "product": "Eh", "lam_out": "Eh", "test_power": "E"},
    **{"sweep_incoming": "EN", "sweep_product": "EM"},
    **{"epochs": "R", "train_mse": "RE", "validation_mse": "RE", "test_mse": "RE"},
    **{"score_epochs": "S", "score_history": "SEh", "eigenvalue_history": "SEh"},
    **{"kept": "K", "node": "KW", "phi": "KWd", "second_phi": "KWm", "lam_in": "Kd", "lam_second": "Km"},
    **{"rung_nodes": "L", "rung_validation_mse": "EL", "rung_test_mse": "EL", "rung_found": "EL"},
}
"""Of all that is stored. N, M: points of the sweeps; R, S: epochs; W: most nodes of a kept member; L: rungs."""

WHOLE = {"epochs", "score_epochs", "kept", "node", "rung_nodes", "rung_found"}
"""What is counted; all else is measured."""


class WeightsNotKept(Told, LookupError):
    """The weights of a member are not in the store; the message says whose are."""


class OutOfMemory(Told, MemoryError):
    """A run does not fit; the message says which parameters make it smaller."""


@dataclass(frozen=True, repr=False)
class Result:
    """All members of a finished experiment. Tensors are on the CPU.

    Attributes
    ----------
    config:
        What was asked.
    scores, product:
        Norm of the incoming weights, and that times the norm of the outgoing ones, shape (E, h_S).
    lam_out:
        Eigenvalues, shape (E, h_S).
    alive:
        Nodes whose score is above 0.05 of their member's largest, bool (E, h_S).
    history:
        Errors at some thirty epochs, scores at ten; of a traced run scores and eigenvalues at forty.
    train_mse, validation_mse, test_mse:
        After the last epoch, shape (E,).
    test_power:
        Mean of y^2 over the test patterns, the error of a student that always answers zero, shape (E,).
    sweeps:
        Test error if only the n nodes of the highest scores are kept, n = 0 ... N - 1, (E, N), for each of `SWEPT`. N
        is one more than the largest number of nodes that any member has left: the others are silent already.
    kept:
        The members whose weights were kept.
    provenance:
        When, where, how long, by what; see `describe`.
    rungs:
        What stands on the ladder of sizes; None if there is none.
    """

    config: ExperimentConfig
    scores: Tensor
    product: Tensor
    lam_out: Tensor
    alive: Tensor
    history: History
    train_mse: Tensor
    validation_mse: Tensor
    test_mse: Tensor
    test_power: Tensor
    sweeps: dict[str, Tensor]
    kept: tuple[int, ...]
    provenance: dict[str, Any]
    _weights: dict[str, Tensor]
    rungs: Rungs | None = None

    def __repr__(self) -> str:
        """One line: what it is of, not its numbers."""
        c = self.config
        students = f"{c.teachers} × {c.trials} students of {c.student_hidden} nodes"
        return f"<Result {c.hash()}: {students}, {c.epochs:,} epochs>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows: a table of what was asked and found, with 95 % intervals."""
        c = self.config
        shown = {
            "experiment": presets.name_of(c) or "of no preset",
            "teachers × trials": f"{c.teachers} × {c.trials}",
            "epochs": f"{c.epochs:,}",
            "effective size": f"{self.estimate(self.alive.sum(-1)):.1f}",
            "test error / E[y²]": f"{self.estimate(self.test_mse / self.test_power, log=True):.3g}",
            "hash": f"`{c.hash()}`",
            "date": str(self.provenance.get("date", "–"))[:10],
        }
        rows = (shown, ["---"] * len(shown), shown.values())
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    @property
    def phi(self) -> Tensor:
        """Eigenvectors (E, h_S, d), zero for nodes that have vanished; raises WeightsNotKept unless all are kept."""
        return self.student().first.phi.detach()

    @property
    def second(self) -> Tensor:
        """Weights of the second layer (E, m, h_S); raises WeightsNotKept unless all are kept."""
        return self.student().second.weight.detach()

    def by(self, score: str) -> Tensor:
        """Scores of all nodes, (E, h_S): "incoming", "product" or "eigenvalue", as in `spectral.prune`."""
        return {"incoming": self.scores, "product": self.product, "eigenvalue": self.lam_out.abs()}[score]

    def estimate(self, values: ArrayLike, statistic: Statistic = mean, *, log: bool = False) -> Interval:
        """What values of all members, (E, ...), amount to; see `spectral.stats.intervals.estimate`."""
        return estimate(by_teacher(values, self.config.teachers), statistic, log=log)

    def members(self, chosen: Sequence[int] | None = None) -> list[Member]:
        """The `chosen` members, or all."""
        everyone = self.config.members
        return everyone if chosen is None else [everyone[index] for index in chosen]

    def task(self, chosen: Sequence[int] | None = None) -> Task:
        """The teachers and patterns of the `chosen` members, drawn again from their seeds."""
        return draw_task(self.config, self.members(chosen))

    def student(self, chosen: Sequence[int] | None = None) -> Student:
        """The trained students of the `chosen` members, as a module.

        Raises
        ------
        WeightsNotKept
            If the weights of one of them are not in the store.
        """
        chosen = range(len(self.config.members)) if chosen is None else chosen
        lost = sorted(set(chosen) - set(self.kept))
        if lost:
            raise WeightsNotKept(
                f"the weights of members {_ranges(lost)} of run {self.config.hash()} were not kept, to save space; "
                f"those of {_ranges(self.kept)} were. result.student(result.kept) rebuilds them; others have to be "
                "trained again with spectral.compute(config, members)"
            )
        student = make_student(self.config, self.members(chosen))
        rows = torch.tensor([self.kept.index(index) for index in chosen])
        node = self._weights["node"][rows]
        with torch.no_grad():
            if student.first.lam_out.requires_grad:
                student.first.lam_out.copy_(self.lam_out[list(chosen)])
            if "lam_in" in self._weights:
                student.first.lam_in.copy_(self._weights["lam_in"][rows])
            if "lam_second" in self._weights:
                student.second.lam_out.copy_(self._weights["lam_second"][rows])
            for parameter, packed in (
                (student.first.phi, self._weights["phi"]),
                (student.second.phi.mT, self._weights["second_phi"]),
            ):
                parameter.zero_()
                for member, (index, values) in enumerate(zip(node, packed[rows], strict=True)):
                    parameter[member, index[index >= 0]] = values[index >= 0]
        return student


def run(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str | torch.device = "cpu",
    progress: bool | None = None,
    loop: Loop | None = None,
    wait: bool = True,
    trainer: Trainer | None = None,
) -> Result:
    """The results of `config`: from the store if they are there, else trained, resuming where it was interrupted.

    Parameters
    ----------
    store:
        Default `Store.default`.
    device, progress, loop:
        Of the training, if it comes to that; see `spectral.compute`.
    wait:
        Whether to wait for another process that is computing the same.
    trainer:
        What trains; for tests.

    Raises
    ------
    DamagedResult, StoreError, Busy
        See `spectral.lab.store`.
    ConfigError
        If `device` cannot be used.
    OutOfMemory
        If the run does not fit into memory.
    """
    store, name = store or Store.default(), config.hash()
    if store.publish:
        store.promote(name)
    if not store.has(name):
        device = check_device(device)
        with store.claim(name, wait=wait):
            if not store.has(name):  # by now
                _train_and_save(config, store, device, progress, loop, trainer)
    return load(config, store)


def load(config: ExperimentConfig, store: Store) -> Result:
    """The stored results of `config`.

    Raises
    ------
    KeyError
        If there are none.
    DamagedResult
        If they are not what was written, or not what such a run leaves behind.
    """
    name = config.hash()
    arrays, provenance = store.load(name)
    stored = provenance.get("config")
    if not isinstance(stored, dict):
        raise store.damage(name, "its provenance holds no configuration")
    asked = config.changed(everything=True)  # a parameter newer than the result was then at its default
    differ = sorted(key for key, value in stored.items() if key not in asked or asked[key] != value)
    if differ:
        raise DamagedResult(
            f"result {name} was computed with other values of {', '.join(differ)}; a default has changed, or the "
            "file is of another origin. It is not used"
        )
    wrong = _misfit(config, arrays)
    if wrong is not None:
        raise store.damage(name, f"its {wrong} is not what such a run leaves behind")
    return _from_arrays(config, arrays, provenance)


def stored_config(name: str, store: Store) -> ExperimentConfig:
    """The configuration of a stored result, which the present code may give another name; errors as in `load`."""
    try:
        return ExperimentConfig.from_mapping(store.provenance(name)["config"])
    except (LookupError, TypeError, ConfigError) as error:
        if not store.has(name):
            raise
        raise store.damage(name, f"its provenance holds no configuration ({error})") from None


def _train_and_save(
    config: ExperimentConfig,
    store: Store,
    device: torch.device,
    progress: bool | None,
    loop: Loop | None,
    trainer: Trainer | None,
) -> None:
    """What `run` does where nothing is stored."""
    source = revision()  # before hours in which files may change
    name, checkpoint = config.hash(), store.checkpoint(config.hash())
    with told_of_memory(config, len(config.members)):
        if trainer is None:
            result = compute(
                config,
                device=device,
                scores_at=score_epochs(config.epochs, config.traced),
                record_at=epochs_to_record(config.epochs),
                progress=progress,
                loop=loop,
                checkpoint=checkpoint,
            )
            arrays, loop = record(result), result.loop
        else:
            arrays = trainer(config, checkpoint)
    how = {"loop": loop, "resumed": checkpoint.resumed}
    store.save(name, arrays, describe(config, device) | source | checkpoint.spent() | how)


@contextmanager
def told_of_memory(config: ExperimentConfig, members: int) -> Iterator[None]:
    """Raise OutOfMemory, with what to lower, if so many members of a run do not fit into memory together."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, (MemoryError, torch.OutOfMemoryError)) or _NO_MEMORY.search(str(error))):
            raise
        raise OutOfMemory(
            f"run {config.hash()} does not fit into memory: {members} students of {config.student_hidden} nodes, "
            f"{config.patterns + config.test_patterns:,} patterns each. Lower trials or teachers, then student_hidden, "
            "patterns or test_patterns"
        ) from error


def score_epochs(epochs: int, traced: bool = False) -> tuple[int, ...]:
    """Ten epochs at most: 0, and nine from a fortieth of the run to its end, evenly spaced in the logarithm.

    Of a `traced` run 40: 0, and 39 from the first epoch on.
    """
    first, count = (1, 39) if traced else (max(1, epochs / 40), 9)
    return tuple(sorted({0, *np.geomspace(first, epochs, count).round().astype(int).tolist()}))


def record(result: Trained) -> Arrays:
    """What is kept of a finished run, by name."""
    student, history, config = result.student, result.history, result.config
    scores = node_scores(student)
    kept = _kept(config)
    alive = [torch.nonzero(scores[index] > 0).flatten() for index in kept]
    width = max(1, *(len(nodes) for nodes in alive))
    node = torch.full((len(kept), width), -1)
    for row, nodes in zip(node, alive, strict=True):
        row[: len(nodes)] = nodes
    rows = node.clamp_min(0).unsqueeze(-1)

    def packed(values: Tensor) -> Tensor:
        return values[kept].gather(1, rows.expand(-1, -1, values.shape[-1])) * (rows >= 0)

    left = int((scores > 0).sum(-1).max())
    orders = {kind: rank(node_scores(student, kind)) for kind in SWEPT}
    sweeps = {kind: prune_sweep(student, result.task.test, order)[:, : left + 1] for kind, order in orders.items()}
    tensors = {
        "scores": scores,
        "product": node_scores(student, "product"),
        "lam_out": student.first.lam_out,
        "test_power": result.task.test.y.square().mean(-1),
        **{f"sweep_{kind}": sweep for kind, sweep in sweeps.items()},
        "epochs": torch.tensor(history.epochs),
        "train_mse": history.train_mse,
        "validation_mse": history.validation_mse,
        "test_mse": history.test_mse,
        "score_epochs": torch.tensor(history.score_epochs),
        "score_history": history.scores,
        "kept": torch.tensor(kept),
        "node": node,
        "phi": packed(student.first.phi.cpu()),
        "second_phi": packed(student.second.phi.cpu().mT),
    }
    if config.train_lam_in:
        tensors["lam_in"] = student.first.lam_in[kept]
    if config.train_lam_second:
        tensors["lam_second"] = student.second.lam_out[kept]
    if history.eigenvalues is not None:
        tensors["eigenvalue_history"] = history.eigenvalues
    if result.rungs is not None:
        tensors |= {f"rung_{field.name}": getattr(result.rungs, field.name) for field in fields(Rungs)}
        tensors["rung_nodes"] = torch.tensor(result.rungs.nodes)
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def _misfit(config: ExperimentConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
    """The first array that is missing or has another shape, type or range than the results of `config` have."""
    sizes = {"E": len(config.members), "h": config.student_hidden, "d": config.input_dim, "m": config.second_nodes}
    asked = {
        "lam_in": config.train_lam_in,
        "lam_second": config.train_lam_second,
        "eigenvalue_history": config.traced,
    }
    for name, axes in AXES.items():
        found = arrays.get(name)
        if found is None:
            if asked.get(name, config.ladder != "none" if name.startswith("rung_") else True):
                return name
            continue
        kinds = "i" if name in WHOLE else "f"
        if found.dtype.kind not in kinds or not 4 <= found.dtype.itemsize <= 8 or not found.dtype.isnative:
            return name
        if found.ndim != len(axes) or 0 in found.shape:
            return name
        if any(sizes.setdefault(axis, size) != size for axis, size in zip(axes, found.shape, strict=True)):
            return name
    for name, low, end in (("kept", 0, sizes["E"]), ("node", -1, sizes["h"])):
        if arrays[name].min() < low or arrays[name].max() >= end:
            return name
    for name in ("scores", "product", "lam_out"):
        if not np.isfinite(arrays[name]).all() or (name != "lam_out" and arrays[name].min() < 0):
            return name
    return None


def _from_arrays(config: ExperimentConfig, arrays: Mapping[str, np.ndarray], provenance: dict[str, Any]) -> Result:
    t = {name: torch.from_numpy(values) for name, values in arrays.items()}
    history = History(
        tuple(t["epochs"].tolist()),
        t["train_mse"],
        t["validation_mse"],
        t["test_mse"],
        tuple(t["score_epochs"].tolist()),
        t["score_history"],
        t.get("eigenvalue_history"),
    )
    return Result(
        config=config,
        scores=t["scores"],
        product=t["product"],
        lam_out=t["lam_out"],
        alive=survivors(t["scores"]),
        history=history,
        train_mse=history.train_mse[-1],
        validation_mse=history.validation_mse[-1],
        test_mse=history.test_mse[-1],
        test_power=t["test_power"],
        sweeps={kind: t[f"sweep_{kind}"] for kind in SWEPT},
        kept=tuple(t["kept"].tolist()),
        provenance=provenance,
        rungs=_rungs(t) if "rung_nodes" in t else None,
        _weights={name: t[name] for name in ("node", "phi", "second_phi", "lam_in", "lam_second") if name in t},
    )


def _rungs(t: Mapping[str, Tensor]) -> Rungs:
    nodes, *measured = (t[f"rung_{field.name}"] for field in fields(Rungs))
    return Rungs(tuple(nodes.tolist()), *measured)


def _kept(config: ExperimentConfig) -> list[int]:
    """The members whose weights are kept; of direct ones the first trials of all teachers come first."""
    count = config.teachers * config.trials
    if config.ladder != "none":  # of these the networks on the rungs are what counts
        count = min(count, KEEP_MEMBERS)
    elif config.parametrization == "direct":
        numbers = config.student_hidden * (config.input_dim + config.second_nodes)
        most = KEEP_TOGETHER if config.teachers > 1 and config.trials > 1 else KEEP_NUMBERS
        count = min(count, max(KEEP_MEMBERS, most // numbers))
    order = [teacher * config.trials + trial for trial in range(config.trials) for teacher in range(config.teachers)]
    return sorted(order[:count])


def _ranges(numbers: Sequence[int]) -> str:
    text = [str(number) for number in numbers]
    return ", ".join(text if len(text) <= 8 else [*text[:6], "…", text[-1]])


def found_in(result: Result) -> Tensor:
    """`nodes_found` of the members whose weights were kept, shape (K,)."""
    return nodes_found(result.task(result.kept), result.student(result.kept))
