"""Wrong parameters of a chapter fail before any work."""

import re

import pytest
from chapters import run
from rendered import ROOT

from spectral.lab.store import Store

pytestmark = pytest.mark.usefixtures("scratch_store")

REFUSED = [
    ("03-training", {"studnt_hidden": 100}, "unknown parameter 'studnt_hidden'; did you mean 'student_hidden'?"),
    ("03-training", {"run": 5}, "unknown parameter 'run'"),
    ("03-training", {"student_hidden": "100"}, "student_hidden must be of type int; got '100', of type str"),
    ("03-training", {"student_hidden": 0}, "student_hidden must be at least 1; got 0"),
    ("03-training", {"batch_size": 10_000}, "batch_size must be at most the 8000 training patterns"),
    ("03-training", {"learning_rate": float("nan")}, "learning_rate must be a finite number; got nan"),
    ("07-paths", {"alike": 1.5}, "alike must lie between 0 and 1 (both excluded); got 1.5"),
    ("07-paths", {"threshold": -0.1}, "threshold must lie from 0"),
    ("08-topology", {"edge": 0.0}, "edge must be above 0; got 0.0"),
    ("09-nodes", {"patience": -1.0}, "patience must be a number of minutes of at least 0; got -1"),
    ("09-nodes", {"teacher_second": 0}, "teacher_second must be at least 1; got 0"),
    ("10-pruning", {"student_hidden": -3}, "student_hidden must be at least 1; got -3"),
    ("10-pruning", {"threshold": 1.5}, "threshold must lie from 0"),
    ("10-pruning", {"widths": "60, 100"}, "widths must hold whole numbers of nodes with spaces between, as 60 200"),
    ("10-pruning", {"tolerance": 0.0}, "tolerance must be a part of E[y^2] above 0, not 0.0"),
    ("10-pruning", {"draws": 0}, "draws must be at least 1; got 0"),
    ("10-pruning", {"patience": -1.0}, "patience must be at least 0; got -1.0"),
    ("02-parametrization", {"in_features": 0}, "in_features must be a whole number of at least 1, not 0"),
    ("01-teacher", {"activation": "gelu"}, "activation must be one of relu, tanh, erf"),
    ("04-spectra", {"preset": "papr"}, "unknown preset 'papr'; did you mean 'paper'?"),
    ("04-spectra", {"widths": "10 41"}, "widths must be some of 10 20 40 60 100 200 500 1000; got '10 41'"),
    ("04-spectra", {"bin_width": 0.0}, "bin_width must lie between 0 and 0.5; got 0.0"),
    ("05-size", {"threshold": 1.0}, "threshold must lie from 0"),
    ("05-size", {"settings": "student_hidden=50"}, "leave out 28 of the 32 experiments 'grid'"),
    ("07-paths", {"settings": "teacher=committee"}, "teacher must be two-layer, since this chapter looks at both"),
    ("09-nodes", {"settings": "epochs=5", "epochs": 6}, "epochs is given twice: 6 as parameter, 5 in settings"),
    ("13-mechanism", {"settings": "l2_phi=0.02"}, "experiments 'why' that this chapter compares"),
    ("06-error", {"settings": "epohs=5"}, "unknown parameter 'epohs'; did you mean 'epochs'?"),
    ("06-error", {"patience": -1.0}, "patience must be a number of minutes of at least 0; got -1.0"),
    ("06-error", {"preset": "laptop", "patience": 0.0}, "Train them with: python -m spectral sweep laptop"),
    ("12-universality", {"preset": "huge"}, "unknown preset 'huge'. Known: laptop, paper, smoke"),
    ("12-universality", {"threshold": 1.0}, "threshold must lie between 0 and 0.1 (excluded)"),
    ("11-transition", {"window_low": 0.6}, "window_low and window_high must be increasing"),
    ("deviations", {"settings": "epochs"}, "a setting is NAME=VALUE; got 'epochs'"),
    ("16-your-data", {"students": 1}, "students must be a whole number of at least 3; got 1"),
    ("16-your-data", {"data": "mine.xls", "target": "y"}, "there is no file mine.xls"),
    ("16-your-data", {"data": "mine.csv"}, "target must name the column of mine.csv"),
    ("claims", {"preset": "desk"}, "unknown preset 'desk'"),
    ("cost", {"bench": "nowhere.json"}, "the measurements nowhere.json cannot be read: No such file or directory"),
]
NAMES = ["-".join([name, *parameters]) for name, parameters, _ in REFUSED]


@pytest.mark.parametrize(("name", "parameters", "message"), REFUSED, ids=NAMES)
def test_wrong_parameters_fail_before_any_work(tmp_path, name, parameters, message):
    """The cell after the parameters refuses them, and nothing is left behind."""
    with pytest.raises((ValueError, LookupError), match=re.escape(message)):
        run(ROOT / "book" / f"{name}.ipynb", tmp_path, cells=2, **parameters)
    assert list(tmp_path.iterdir()) == []
    assert Store.default().hashes() == Store(committed=ROOT / "book" / "results", local=tmp_path).hashes()
