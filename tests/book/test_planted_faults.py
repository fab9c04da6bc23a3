"""Every test of every claim in a world in which it holds, and in one with a planted fault: the verdict moves."""

import pytest
from worlds import (
    World,
    erring,
    exponential,
    fading,
    falling,
    heavy,
    missing,
    perfect,
    positive,
    scaled,
    split,
    stranger,
    surplus,
    weak,
)

from spectral.bench.tables import FORMAT, save
from spectral.book import claims
from spectral.book.claims import HOLDS, NOT, WITHIN, outcome

LEVEL = 0.95
CLAIMS = {claim.id: claim for claim in claims.read_claims()[0]}


def wide(config):
    """More surplus in larger students."""
    return {40: 0, 60: 2, 100: 4, 200: 6, 500: 8, 1000: 10}.get(config.student_hidden, 0)


def ten(config):
    return 10


def large(config) -> float:
    """Students of the largest teachers find half of their nodes."""
    return 0.5 if config.teacher_hidden == 160 else 1.0


def odd(config) -> float:
    """Other activations and inputs lead to half of the nodes."""
    return 0.5 if config.activation != "relu" or config.inputs != "gaussian" or config.teacher == "committee" else 1.0


def steep(config) -> float:
    return 1.0 + 0.02 * config.teacher_hidden


def steep_tasks(config) -> float:
    return 1.5 if config.inputs == "gaussian" and config.activation == "relu" else 5.0


SPLIT = World({"published": split, "matched": split, "lasso": split})
"""The paper's: conventional students of every kind need all of their nodes."""

TRANSITION = World({"universal": falling()})
NARROW = {"narrow": erring(0.5)}
MANY = {"teachers": 20}
COSTS = {"step": 1.03, "torch": 1.03}

Fault = tuple[World | dict, World | dict, str]

FAULTS: dict[str, list[Fault]] = {
    "cost": [
        (World(), World(changes={"input_dim": 1, "teacher_second": 1}), NOT),
        (World(), World(changes={"batch_size": 3}), NOT),
        (COSTS, COSTS | {"step": 1.3}, NOT),
        (COSTS, COSTS | {"torch": 1.3}, NOT),
    ],
    "gap": [
        (World(), World({"spectral": fading}), NOT),
        (World(), World({"spectral": surplus(ten, score=0.01)}), NOT),
        (SPLIT, World(), NOT),
    ],
    "size": [
        (World(), World({"spectral": surplus(ten)}), NOT),
        (World(), World({"spectral": heavy(ten)}), NOT),
        (World(), World({"m=20/spectral/200": surplus(ten)}), WITHIN),
    ],
    "invariance": [
        (World(), World({"spectral": surplus(wide)}), NOT),
        (World(), World({"spectral": heavy(wide)}), NOT),
    ],
    "conventional": [
        (SPLIT, World(), NOT),
        (SPLIT, World(), NOT),
        (SPLIT, World(SPLIT.makers | {"matched": perfect}), NOT),
        (SPLIT, World(SPLIT.makers | {"matched": perfect}), NOT),
        (SPLIT, World(SPLIT.makers | {"matched": perfect}), NOT),
        (SPLIT, World(SPLIT.makers | {"lasso": perfect}), NOT),
    ],
    "error": [
        (World(), World({"grid/spectral/500": erring(0.02)}), WITHIN),
        (World({"grid": erring(0.001)}), World({"spectral": erring(0.0015), "grid": erring(0.001)}), NOT),
        (World({"grid": erring(0.001)}), World({"grid/spectral/500": erring(0.002), "grid": erring(0.001)}), WITHIN),
        (World({"grid": erring(0.001)}), World({"matched": erring(0.0005), "grid": erring(0.001)}), NOT),
    ],
    "paths": [
        (SPLIT, World({"spectral": scaled(3), "published": split}), NOT),
        (SPLIT, World({"spectral": scaled(3), "published": split}), NOT),
    ],
    "topology": [
        (SPLIT, World({"spectral": positive, "published": split}), NOT),
        (World({"published": positive}), World({"spectral": positive}), NOT),
    ],
    "plateau": [
        (World(), World({"spectral": weak}), NOT),
        (World(), World({"spectral": split}), NOT),
        (World(), World({"spectral": split}), NOT),
    ],
    "transition": [
        (World(), World({"spectral": heavy(ten)}), NOT),
        (TRANSITION, World({"universal": falling(jump=0.3)}), NOT),
    ],
    "universality": [
        (TRANSITION, World({"universal": falling(large)}), WITHIN),
        (TRANSITION, World({"universal": falling(beta=steep)}), NOT),
        (TRANSITION, World({"universal": falling(odd)}), WITHIN),
        (TRANSITION, World({"universal": falling(beta=steep_tasks)}), NOT),
    ],
    "lasso": [
        (World(), World({"lasso": heavy(ten)}), NOT),
        (World(), World({"lasso": heavy(wide)}), NOT),
        (World(), World({"lasso": split}), NOT),
    ],
    "open-paths": [(World(), World({"spectral": stranger}), NOT)],
    "stranger": [(World({"spectral": scaled(3)}), World(), NOT)],
    "partners": [(World(), World({"spectral": stranger}), NOT)],
    "found": [
        (World(changes=MANY), World({"spectral": missing(1)}, MANY), NOT),
        (World(changes=MANY), World({"universal/h_T=40,d=5/200": missing(20)}, MANY), WITHIN),
    ],
    "contrast": [
        (World(), World({"control": split}), NOT),
        (World(), World({"control": split}), NOT),
        (World(), World({"control": split}), NOT),
    ],
    "fair-pruning": [
        (World(), World({"grid/matched/1000": split}), WITHIN),
        (World(), World({"grid/matched/1000": split}), WITHIN),
    ],
    "effective-teacher": [
        (World(NARROW | {"universal": erring(0.01)}), World({"narrow": erring(0.001), "universal": erring(0.01)}), NOT)
    ],
    "limits": [(TRANSITION, World({"universal/noise=1/100": falling(lambda config: 0.5)}), WITHIN)],
    "curve": [
        (World(changes=MANY), World({"universal": split}, MANY), NOT),
        (World(changes=MANY), World({"universal/activation=tanh/100": split}, MANY), WITHIN),
    ],
    "form": [(TRANSITION, World({"universal": exponential}), NOT)] * 3,
}

CASES = [(claim.id, index) for claim in CLAIMS.values() for index in range(len(claim.tests))]


def found(claim: str, index: int, world: World | dict, tmp_path):
    test = CLAIMS[claim].tests[index]
    if isinstance(world, World):
        return outcome(test, world.results, LEVEL)
    pair = {"low": 0.0, "n": 60}
    torch = {"mean": world["torch"], "high": world["torch"] + 0.02} | pair
    cells = [torch | {"batch": 300, "width": width} for width in (40, 200)]
    path = tmp_path / "bench.json"
    step = {"mean": world["step"], "high": world["step"] + 0.02} | pair
    measured = {"step_cost_ratio": step, "torch_cost_ratio": {"cells": cells}}
    save({"format": FORMAT, "quick": False, "sizes": {"config": {"student_hidden": 200}}} | measured, path)
    return outcome(test, World().results, LEVEL, path)


def test_there_is_a_fault_for_every_test():
    assert {name: len(faults) for name, faults in FAULTS.items()} == {
        name: len(claim.tests) for name, claim in CLAIMS.items()
    }


@pytest.mark.parametrize(("claim", "index"), CASES, ids=[f"{claim}-{index}" for claim, index in CASES])
def test_a_planted_fault_moves_the_verdict(claim, index, tmp_path):
    good, bad, expected = FAULTS[claim][index]
    assert found(claim, index, good, tmp_path).verdict == HOLDS
    assert found(claim, index, bad, tmp_path).verdict == expected
