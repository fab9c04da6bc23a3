"""The command line, called as a function; a preset small enough to be trained stands in for the book's."""

import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
import torch

from spectral import ExperimentConfig, run
from spectral.__main__ import main
from spectral.book import claims
from spectral.book.quantities import Counted
from spectral.lab import presets
from spectral.lab.config import parse_settings
from spectral.lab.export import TABLES
from spectral.lab.store import Store

COMMANDS = sys.modules["spectral.__main__"]
TINY = ["epochs=4", "patterns=250", "test_patterns=100", "student_hidden=30", "trials=3", "batch_size=100"]
SETS = [word for pair in TINY for word in ("--set", pair)]


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch) -> Iterator[Store]:
    monkeypatch.setenv("SPECTRAL_RESULTS", str(tmp_path / "committed"))
    monkeypatch.setenv("SPECTRAL_STORE", str(tmp_path / "local"))
    yield Store.default()
    torch.set_flush_denormal(False)  # the command line turns it on, for its process


@pytest.fixture
def preset(monkeypatch) -> dict[str, ExperimentConfig]:
    """Two experiments of two teachers, under the name of `paper`."""
    config = replace(ExperimentConfig(**parse_settings(TINY)), teachers=2)
    chosen = {"grid/spectral/30": config, "grid/matched/30": config.direct_twin()}
    monkeypatch.setattr(COMMANDS, "configurations", lambda name: chosen)
    return chosen


def test_run_computes_once_and_says_what_came_out(store, capsys):
    assert main(["run", *SETS, "--json"]) == 0
    first = capsys.readouterr()
    assert "is not there yet" in first.err
    (said,) = json.loads(first.out)
    config = ExperimentConfig(**parse_settings(TINY))
    assert said["hash"] == config.hash()
    size = said["measures"]["size_incoming"]
    assert (size["n"], size["of"]) == (3, "trials")
    assert size["low"] <= size["value"] <= size["high"]
    assert len(said["members"]) == 3
    assert main(["run", *SETS, "--json"]) == 0
    second = capsys.readouterr()
    assert second.err == ""
    assert json.loads(second.out) == [said]


def test_run_takes_all_combinations_and_tells_each(store, capsys):
    asked = ["run", *SETS, "--set", "student_hidden=30,40", "--set", "parametrization=spectral,direct"]
    assert main([*asked, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("4 of 4 runs are missing; about ")
    assert main([*asked, "--dry-run", "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert (expected["asked"], len(expected["missing"])) == (4, 4)
    assert not store.local.exists()
    assert main([*asked, "--json"]) == 0
    first = capsys.readouterr()
    assert "4 to compute" in first.err
    assert f"new results are kept in {store.local}" in first.err
    said = json.loads(first.out)
    kinds = [(one["config"]["student_hidden"], one["config"]["parametrization"]) for one in said]
    assert kinds == [(30, "spectral"), (30, "direct"), (40, "spectral"), (40, "direct")]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert out.count("effective size, incoming ") == 4
    assert "student_hidden=40 parametrization=direct\n" in out


def test_one_run_that_fails_does_not_lose_the_others(store, capsys):
    main(["run", *SETS])
    name = ExperimentConfig(**parse_settings(TINY)).hash()
    (store.local / f"{name}.npz").write_bytes(b"nonsense")
    capsys.readouterr()
    assert main(["run", *SETS, "--set", "student_hidden=30,40", "--json"]) == 1
    broken, whole = json.loads(capsys.readouterr().out)
    assert (broken["hash"], "is damaged" in broken["error"]) == (name, True)
    assert len(whole["members"]) == 3


def test_no_run_begins_if_one_is_impossible(store, capsys):
    assert main(["run", *SETS, "--set", "l1=0,0.1"]) == 2
    assert "error: l1=0.1: l1 must be 0 for spectral students" in capsys.readouterr().err
    assert not store.local.exists()


def test_parameters_are_listed_with_meaning_and_choices(capsys):
    assert main(["run", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("activation           str    relu       one of relu, tanh, erf")
    assert lines[at + 1].strip() == "of teacher and student"
    assert main(["run", "--list", "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["dtype"]["choices"] == ["float32", "float64"]
    assert listed["trials"]["allowed"] == "at least 1"


def test_publish_keeps_results_in_the_committed_folder(store):
    assert main(["run", *SETS, "--publish"]) == 0
    name = ExperimentConfig(**parse_settings(TINY)).hash()
    assert {path.name for path in store.committed.iterdir()} == {f"{name}.json", f"{name}.npz"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "studnt_hidden=3"], "unknown parameter 'studnt_hidden'; did you mean 'student_hidden'?"),
        (["--set", "student_hidden=many"], "student_hidden must be of type int; got 'many', of type str"),
        (["--set", "student_hidden=1.5"], "student_hidden must be of type int; got '1.5', of type str"),
        (["--set", "student_hidden=0"], "student_hidden must be at least 1; got 0"),
        (["--set", "drop_dead=maybe"], "drop_dead must be of type bool; got 'maybe'"),
        (["--set", "student_hidden"], "a setting is NAME=VALUE; got 'student_hidden'"),
        (["--device", "abacus"], "device 'abacus' cannot be used here"),
    ],
)
def test_wrong_parameters_end_with_2_before_any_work(store, capsys, arguments, message):
    assert main(["run", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not store.local.exists()


def test_sweep_status_and_verify(preset, store, capsys):
    assert main(["sweep", "paper", "--dry-run"]) == 0
    assert "2 of 2 runs are missing" in capsys.readouterr().out
    assert main(["status", "paper"]) == 1
    assert capsys.readouterr().out.count("missing") == 2
    assert main(["sweep", "paper"]) == 0
    assert "2 computed, 0 failed, 0 were there" in capsys.readouterr().out
    assert main(["sweep", "paper"]) == 0
    assert "0 computed, 0 failed, 2 were there" in capsys.readouterr().out
    assert main(["status", "paper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"experiments": dict.fromkeys(preset, "local"), "stale": {}}
    assert main(["verify", "--sample", "2", "--seed", "0", "--json"]) == 0
    told = capsys.readouterr()
    assert "preset paper: 2 of 2 results are there, 2 of them whole" in told.err
    assert "beside it" not in told.err
    checks = json.loads(told.out)
    assert [check["quantity"] for check in checks] == [
        "effective size",
        "teacher nodes found",
        "log error / E[y^2]",
    ] * 2
    assert all(check["passed"] and check["low"] <= check["value"] <= check["high"] for check in checks)


def test_verify_notices_a_result_that_does_not_hold(preset, store, capsys):
    """The numbers of a longer training under the name of a shorter one."""
    config = preset["grid/spectral/30"]
    better = run(replace(config, epochs=200), store=store)
    arrays, meta = store.load(better.config.hash())
    store.save(config.hash(), arrays, meta | {"config": config.changed(everything=True)})
    del preset["grid/matched/30"]
    assert main(["verify", "--sample", "1", "--seed", "0"]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_a_damaged_result_ends_with_3(preset, store, capsys):
    main(["sweep", "paper"])
    name = preset["grid/spectral/30"].hash()
    (store.local / f"{name}.npz").write_bytes(b"nonsense")
    for arguments in (["verify"], ["status"], ["run", *SETS, "--set", "teachers=2"]):
        assert main(arguments) == 3
    assert f"{name}.npz is damaged" in capsys.readouterr().err
    assert main(["sweep", "paper"]) == 1  # named, and left alone
    assert (store.local / f"{name}.npz").read_bytes() == b"nonsense"


def test_verify_counts_a_preset_and_what_is_beside_it(preset, store, capsys):
    assert main(["verify"]) == 1
    assert "preset paper: 0 of 2 results are there, 0 of them whole" in capsys.readouterr().err
    main(["run", *SETS, "--set", "teachers=2"])
    main(["run", *SETS])
    capsys.readouterr()
    assert main(["verify"]) == 0
    assert capsys.readouterr().err.splitlines()[:2] == [
        "preset paper: 1 of 2 results are there, 1 of them whole",
        "beside it: 1 other result, 1 whole",
    ]


def test_show_by_hash_beginning_or_name(preset, capsys):
    main(["sweep", "paper"])
    capsys.readouterr()
    config = preset["grid/matched/30"]
    shown = []
    for asked in (config.hash(), config.hash()[:6], "grid/matched/30"):
        assert main(["show", asked, "--json"]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] == shown[1] == shown[2]
    assert shown[0]["config"] == config.changed(everything=True)
    assert main(["show", "grid/matched/30"]) == 0
    out = capsys.readouterr().out
    assert not re.search(r"\d\.\d{5}", out)  # to be read
    assert re.search(r"^seconds +\d+ s$", out, re.MULTILINE)
    assert re.search(r"^effective size, product +[\d.]+, 2 teachers$", out, re.MULTILINE)  # too few for an interval
    assert main(["show", "feed"]) == 2
    assert "0 results are called 'feed'" in capsys.readouterr().err


def test_export_is_tidy_and_complete(preset, tmp_path, store):
    main(["sweep", "paper"])
    assert main(["export", "paper", "--to", str(tmp_path / "tables")]) == 0
    tables = {p.stem: list(csv.DictReader(p.read_text().splitlines())) for p in (tmp_path / "tables").iterdir()}
    config = preset["grid/spectral/30"]
    stored = run(config, store=store)
    members = [row for row in tables["members"] if row["experiment"] == "grid/spectral/30"]
    assert [float(row["test_mse"]) for row in members] == stored.test_mse.tolist()
    assert [(row["teacher_seed"], row["trial"]) for row in members] == [(t, k) for t in "01" for k in "012"]
    assert len(tables["scores"]) == 2 * 6 * 30
    assert len(tables["history"]) == 2 * 6 * len(stored.history.epochs)


def test_export_of_what_is_meant(preset, tmp_path, store, capsys):
    main(["sweep", "paper"])
    main(["run", *SETS])
    spectral, matched, alone = (
        *(preset[f"grid/{kind}/30"].hash() for kind in ("spectral", "matched")),
        ExperimentConfig(**parse_settings(TINY)).hash(),
    )
    for number, (asked, expected) in enumerate(
        [
            (["grid/matched/*"], {matched}),
            (["grid/spectral/30", alone[:8]], {spectral, alone}),
            (["--set", "teachers=2", "--set", "parametrization=spectral,direct"], {spectral, matched}),
            (["paper", "--set", "parametrization=direct"], {matched}),
            (["--all"], {spectral, matched, alone}),
            ([], {spectral, matched}),
        ]
    ):
        folder = tmp_path / str(number)
        assert main(["export", *asked, "--to", str(folder)]) == 0
        runs = list(csv.DictReader((folder / "runs.csv").read_text().splitlines()))
        assert {row["hash"] for row in runs} == expected
    capsys.readouterr()
    assert main(["export", "--all", "--format", "parquet", "--to", str(tmp_path / "all")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "all" / f"{name}.parquet") for name in TABLES]


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ([], 1, "of the 2 results of preset paper none is there"),
        (["grid/*"], 1, "no result is there of grid/*"),
        (["gird/matched/30"], 1, "did you mean 'grid/matched/30'?"),
        (["--all"], 1, "no such result is in the store; see"),
        (["--set", "trials=7"], 1, "no such result is in the store; see"),
        (["--set", "trials=many"], 2, "trials must be of type int; got 'many'"),
        (["paper", "--all"], 2, "--all is everything in the store; got paper beside it"),
    ],
)
def test_export_of_nothing_writes_nothing(preset, tmp_path, capsys, asked, code, message):
    assert main(["export", *asked, "--to", str(tmp_path / "tables")]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "tables").exists()


def test_publish_takes_up_what_was_kept_locally(store):
    main(["run", *SETS])
    name = ExperimentConfig(**parse_settings(TINY)).hash()
    assert not store.committed.exists()
    assert main(["run", *SETS, "--publish"]) == 0
    for kind in ("json", "npz"):
        copies = [(folder / f"{name}.{kind}").read_bytes() for folder in (store.local, store.committed)]
        assert copies[0] == copies[1]


@pytest.mark.parametrize("sample", ["1", "-1"])
def test_a_sample_that_cannot_be_drawn_is_refused(capsys, sample):
    assert main(["verify", "--sample", sample]) == 2
    assert f"a sample of {sample} cannot be drawn from 0 stored members" in capsys.readouterr().err


def test_quick_measurements_replace_nothing(tmp_path, capsys):
    kept = tmp_path / "bench.json"
    kept.write_text("real ones")
    assert main(["bench", "--quick", "--to", str(kept)]) == 2
    assert "quick measurements mean nothing" in capsys.readouterr().err
    assert kept.read_text() == "real ones"


def test_claims_say_what_is_missing(tmp_path, monkeypatch, capsys):
    """Claims and tests, but for the two that count."""
    monkeypatch.setattr(COMMANDS, "ledger", partial(claims.ledger, bench=tmp_path / "none.json"))
    assert main(["claims"]) == 1
    asked = [test for claim in claims.read_claims()[0] for test in claim.tests]
    out = capsys.readouterr().out
    assert out.count("not computed yet") == len(claims.read_claims()[0]) + len(asked) - 2
    assert out.count(" holds\n") == 2
    assert main(["claims", "--preset", "laptop", "--json"]) == 1
    told = capsys.readouterr()
    assert "results of preset laptop are missing; see: python -m spectral status laptop" in told.err
    judged = json.loads(told.out, parse_constant=pytest.fail)  # no Infinity: JSON has none
    assert {entry["verdict"] for entry in judged} == {"not testable at this preset"}


def test_claims_are_said_with_limits_and_numbers_and_have_to_be_announced(tmp_path, monkeypatch, capsys):
    def judged(size: float) -> list[claims.Judged]:
        asked = {"incoming": "", "product": "by the product"}.items()
        tests = [claims.Test("effective_size", (16, 25), (40,), {"score": score}, limit) for score, limit in asked]
        outcomes = [claims.judge(test, Counted(value), 0.95) for test, value in zip(tests, (20.0, size), strict=True)]
        return [claims.verdict(claims.Claim("size", "paper", "It is.", tuple(tests), "05-size"), outcomes)]

    path = tmp_path / "verdicts.json"
    for name in ("announce", "announced"):
        function = getattr(claims, name)
        monkeypatch.setattr(COMMANDS, name, partial(function, path=path))
    monkeypatch.setattr(COMMANDS, "ledger", lambda preset: judged(40.0))
    assert main(["claims", "--announce"]) == 0
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "size holds within limits; by the product: does not hold",
        "effective_size incoming 20.0 holds",
        "effective_size product 40.0 does not hold",
    ]
    assert main(["claims"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(COMMANDS, "ledger", lambda preset: judged(24.0))
    assert main(["claims"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "not announced: size: holds; announced as holds within limits",
        "not announced: size: effective_size is [24.0, 24.0, 24.0]; announced as [40.0, 40.0, 40.0]",
    ]


def test_only_what_decides_is_announced(capsys, monkeypatch):
    monkeypatch.setattr(COMMANDS, "ledger", pytest.fail)
    assert main(["claims", "--preset", "laptop", "--announce"]) == 2
    assert "nothing to announce of preset laptop: only paper decides" in capsys.readouterr().err


def test_help_teaches(capsys, monkeypatch):
    for script, program in (("spectral-student", "spectral-student"), ("__main__.py", "python -m spectral")):
        monkeypatch.setattr(sys, "argv", [f"/anywhere/{script}"])
        with pytest.raises(SystemExit, match="0"):
            main(["--help"])
        text = capsys.readouterr().out
        for command in ("run", "sweep", "status", "verify", "show", "export", "claims", "bench", "coverage"):
            assert command in text
        assert "exit codes" in text
        assert f"start with: {program} status paper" in text
    with pytest.raises(SystemExit, match="2"):
        main(["sweeep"])


def test_an_unknown_preset_is_named(capsys):
    assert main(["status", "papr"]) == 2
    assert "unknown preset 'papr'; did you mean 'paper'?" in capsys.readouterr().err
    assert "paper" in presets.PRESETS
