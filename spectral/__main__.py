"""The command line: ``python -m spectral --help``, or ``spectral-student --help`` where the package is installed."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import torch

from spectral.apply.rightsize import Settings
from spectral.book import coverage
from spectral.book.claims import MISSING, announce, announced, announcement, ledger, unannounced
from spectral.engine.train import TrainingDiverged
from spectral.lab.choose import by_hash, called, selected
from spectral.lab.collection import MissingResult
from spectral.lab.config import ConfigError, ExperimentConfig, combinations, parameters, parse_lists
from spectral.lab.experiment import check_device
from spectral.lab.export import Format, account, check_format, export, readable
from spectral.lab.files import DamagedResult, StoreError, is_checkout, need_checkout, write_atomically
from spectral.lab.presets import PRESETS, configurations
from spectral.lab.results import OutOfMemory, run
from spectral.lab.store import Store
from spectral.lab.sweep import expected_seconds, readable_time, stale, status, sweep
from spectral.lab.verify import damaged, retrain
from spectral.stats.intervals import Interval

SCRIPT = "spectral-student"
"""What an installed package is called by."""

SECONDS = ("seconds", "cpu_seconds")
"""Of a provenance."""

EXIT_CODES = """
exit codes:
  0    done, and all is well
  1    something is missing, stale, or does not agree; or workers were lost, and the same command goes on
  2    the command or a parameter is wrong
  3    a result is damaged, or the store cannot be used
  130  interrupted; the same command goes on from there
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on `arguments` (default: the process's) and return its exit code."""
    options = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], int] = options.action
    try:
        return action(options)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    except MissingResult as error:
        _tell(str(error))
        _tell_of_the_book()
        return 1
    except (StoreError, DamagedResult) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    except (ConfigError, TrainingDiverged, OutOfMemory) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    program = SCRIPT if Path(sys.argv[0]).stem == SCRIPT else "python -m spectral"
    parser = argparse.ArgumentParser(
        prog=program,
        description="Train, keep and check the experiments of the book.",
        epilog=f"start with: {program} status paper\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(
        name: str, action: Callable[[argparse.Namespace], int], text: str, *examples: str
    ) -> argparse.ArgumentParser:
        p = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog="\n".join([*(f"example: {program} {each}" for each in examples), EXIT_CODES]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        p.set_defaults(action=action)
        return p

    def add_preset(p: argparse.ArgumentParser, default: str | None = None) -> None:
        p.add_argument("preset", nargs="?" if default else None, default=default, help=f"one of {', '.join(PRESETS)}")

    def add_training(p: argparse.ArgumentParser) -> None:
        p.add_argument("--device", default="cpu", help="where to train: cpu (default), cuda, cuda:1, ...")
        p.add_argument("--publish", action="store_true", help="keep results in book/results, to be committed")

    def add_settings(p: argparse.ArgumentParser, text: str) -> None:
        p.add_argument("--set", dest="values", action="append", default=[], metavar="NAME=VALUE[,VALUE...]", help=text)

    p = add(
        "run",
        _run,
        "Load experiments, or train them: one, or all combinations of several values.",
        "run --set student_hidden=40 --set trials=3",
        "run --set student_hidden=30,60,120 --set parametrization=spectral,direct --set trials=3 --json",
    )
    add_settings(p, "a parameter, or several values of one; if it is named twice, the last counts")
    p.add_argument("--list", action="store_true", help="list parameters, what they mean and may be, and stop")
    p.add_argument("--dry-run", action="store_true", help="say what would be done and how long it takes, and stop")
    p.add_argument(
        "--json", action="store_true", help="print a list with an entry for each run, all numbers as measured"
    )
    add_training(p)

    p = add("sweep", _sweep, "Train all experiments of a preset that are not there yet.", "sweep laptop")
    add_preset(p)
    p.add_argument("--dry-run", action="store_true", help="say what would be done and how long it takes, and stop")
    crew = p.add_mutually_exclusive_group()
    crew.add_argument("--workers", type=int, metavar="N", help="train in so many processes here, one core each")
    crew.add_argument("--scheduler", metavar="ADDRESS", help="train on the workers of this Dask scheduler")
    add_training(p)

    p = add("status", _status, "Tell what is there, missing, stale or damaged.", "status paper --json")
    add_preset(p, "paper")
    p.add_argument("--json", action="store_true", help="print it as JSON")

    p = add(
        "verify",
        _verify,
        "Check the results of a preset and all others, and train a sample again.",
        "verify paper --sample 5",
    )
    add_preset(p, "paper")
    p.add_argument("--sample", type=int, default=0, metavar="N", help="members to train again (default: none)")
    p.add_argument("--seed", type=int, help="of the draw, to repeat it")
    p.add_argument("--json", action="store_true", help="print the comparison as JSON")

    p = add("show", _show, "Show one result: where it comes from, and what it says.", "show grid/spectral/200")
    p.add_argument(
        "result", help="a hash, the beginning of one, or an experiment's name; of preset laptop: laptop:NAME"
    )
    p.add_argument("--json", action="store_true", help="print all of it as JSON, numbers as measured")

    p = add(
        "export",
        _export,
        "Write results as tidy tables: runs, members, history, scores and rungs, to be joined by hash.",
        "export paper --to tables",
        "export 'grid/spectral/*' laptop:grid/spectral/40 0a4bd7 --format parquet",
        "export --set student_hidden=30,60 --set trials=3",
    )
    p.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help=f"a preset ({', '.join(PRESETS)}), the name of an experiment or a pattern of names, or the beginning of "
        "hashes (default: paper, or with --set everything in the store)",
    )
    add_settings(p, "only results with this value, or one of these values, of a parameter")
    p.add_argument("--all", action="store_true", help="everything in the store, whatever made it")
    p.add_argument("--format", default="csv", choices=get_args(Format), help="default: csv")
    p.add_argument("--to", type=Path, default=Path("tables"), metavar="FOLDER", help="default: tables")

    p = add("claims", _claims, "Judge the paper's claims by the stored runs.", "claims --json")
    p.add_argument("--preset", default="paper", help="one of " + ", ".join(PRESETS) + "; only paper decides")
    p.add_argument("--announce", action="store_true", help="write what was found to book/verdicts.json, for the book")
    text = (
        "also write JUnit XML, for continuous integration: a case fails if what is measured is not what was announced, "
        "whatever the verdict, and is skipped if runs are missing"
    )
    p.add_argument("--junit", type=Path, metavar="FILE", help=text)
    p.add_argument("--json", action="store_true", help="print it as JSON")

    p = add("crate", _crate, "Write the book's runs, numbers and verdicts as an RO-Crate.", "crate --to crate")
    text = "a new folder, or one with such a crate, which is replaced; it takes 75 MB"
    p.add_argument("--to", type=Path, required=True, metavar="FOLDER", help=text)

    p = add("bench", _bench, "Measure speed and memory on this machine.", "bench --to book/bench.json")
    p.add_argument("--quick", action="store_true", help="a few seconds instead of minutes; the numbers mean nothing")
    p.add_argument("--to", type=Path, metavar="FILE", help="also write the measurements as JSON, for the book's page")

    p = add("size", _size, "Tell how many hidden nodes a network for a table of yours needs.", "size my.csv --target y")
    p.add_argument("table", type=Path, help="a file: CSV (comma, semicolon or tab), or Parquet")
    p.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    p.add_argument("--task", default="auto", choices=("auto", "regression", "classification"), help="default: auto")
    p.add_argument("--to", type=Path, metavar="FOLDER", help="keep network, card, curve and figure there; a new folder")
    texts = {"width": "nodes to begin with", "students": "asked", "steps": "of training", "seed": "of all"}
    for name, text in texts.items():
        p.add_argument(f"--{name}", type=int, help=f"{text} (default: {getattr(Settings(), name):,})")
    p.add_argument("--tolerance", type=float, help="in the unit of the loss (default: one standard error)")
    p.add_argument("--json", action="store_true", help="print all that was found as JSON")

    p = add("tables", _tables, "Ask the book's tables, real and made, how many nodes they need.", "tables --to t.json")
    p.add_argument("--to", type=Path, required=True, metavar="FILE", help="kept as JSON; goes on from what is there")

    p = add("coverage", _coverage, "Count how often intervals hold a planted truth.", "coverage --repetitions 100")
    p.add_argument(
        "--repetitions", type=int, default=coverage.REPETITIONS, metavar="N", help=f"default: {coverage.REPETITIONS:,}"
    )
    p.add_argument("--to", type=Path, metavar="FILE", help="also write the study as JSON, for the page on claims")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.list:
        _list(options)
        return 0
    asked, store = combinations(parse_lists(options.values)), _store(options)
    if options.dry_run:
        return _dry_run(asked, store, options.json)
    missing = [config for config in asked.values() if not store.has(config.hash())]
    if missing:
        if len(asked) == 1:
            expected = readable_time(expected_seconds(missing[0]))
            _tell(f"run {missing[0].hash()} is not there yet; training takes {expected}")
        _tell(f"new results are kept in {store.committed if store.publish else store.local}")
    _prepare_training(options)
    failed, names = {}, by_hash(_named())
    if len(asked) == 1:
        run(*asked.values(), store=store, device=options.device)
    else:
        failed = sweep(asked, store, report=_tell, device=options.device).failed
    told = {
        name: {"hash": config.hash(), "error": failed[name]} if name in failed else account(config.hash(), store, names)
        for name, config in asked.items()
    }
    if options.json:
        print(_json([*told.values()]))
        return 1 if failed else 0
    for name, one in told.items():
        if name != one["hash"]:
            print(name)
        print(f"{'hash':34} {one['hash']}")
        print(f"{'error':34} {one['error']}") if name in failed else _print_measures(one)
    return 1 if failed else 0


def _list(options: argparse.Namespace) -> None:
    if options.json:
        print(_json([p._asdict() | {"allowed": p.allowed} for p in parameters()]))
        return
    for p in parameters():
        print(f"{p.name:20} {p.kind:6} {p.default!s:10} {p.allowed}")
        print(textwrap.fill(p.meaning.replace("`", ""), 100, initial_indent=" " * 21, subsequent_indent=" " * 21))


def _sweep(options: argparse.Namespace) -> int:
    chosen, store = configurations(options.preset), _store(options)
    if options.dry_run:
        return _dry_run(chosen, store)
    _prepare_training(options)

    def report(line: str) -> None:
        print(line, flush=True)

    if options.workers is None and options.scheduler is None:
        return 1 if sweep(chosen, store, report=report, device=options.device).failed else 0
    return _sweep_on_workers(options, chosen, store, report)


def _sweep_on_workers(
    options: argparse.Namespace,
    chosen: Mapping[str, ExperimentConfig],
    store: Store,
    report: Callable[[str], None],
) -> int:
    """Exit code 1, too, where the workers are lost on the way: the same command goes on."""
    from spectral.lab.cluster import sweep_on
    from spectral.lab.crew import ClusterError, connect, local

    if options.device != "cpu":
        raise ConfigError(f"workers train on their processors; --device {options.device} is for a sweep without them")
    with ExitStack() as stack:
        try:
            place = connect(options.scheduler) if options.workers is None else local(options.workers)
            client = stack.enter_context(place)
        except ClusterError as error:
            raise ConfigError(str(error)) from None
        try:
            return 1 if sweep_on(client, chosen, store, report=report).failed else 0
        except ClusterError as error:
            _tell(f"error: {error}")
            return 1


def _dry_run(asked: Mapping[str, ExperimentConfig], store: Store, as_json: bool = False) -> int:
    missing = [config for config in asked.values() if not store.has(config.hash())]
    total = sum(map(expected_seconds, missing))
    if as_json:
        hashes = [config.hash() for config in missing]
        print(_json({"asked": len(asked), "missing": hashes, "expected_seconds_on_two_cores": total}))
    else:
        print(f"{len(missing)} of {len(asked)} runs are missing; {readable_time(total)} on two cores")
    return 0


def _status(options: argparse.Namespace) -> int:
    store = Store.default()
    chosen = configurations(options.preset)
    states, old = status(chosen, store), stale(store)
    if options.json:
        print(_json({"experiments": states, "stale": old}))
    else:
        for name, state in states.items():
            print(f"{name:34} {chosen[name].hash()} {state}")
        for name, reason in old.items():
            print(f"{name:34} stale: {reason}")
        there = sum(state in ("committed", "local") for state in states.values())
        print(f"{there} of {len(states)} experiments of preset {options.preset} are there; {len(old)} stale results")
        _tell(f"results are read from {store.committed} and {store.local}, and new ones kept in the second")
        if there < len(states):
            _tell_of_the_book()
    if any(state.startswith("damaged") for state in states.values()):
        return 3
    return 0 if not old and all(state in ("committed", "local") for state in states.values()) else 1


def _verify(options: argparse.Namespace) -> int:
    """Exit code 1, too, where nothing is there to be checked."""
    store, asked = Store.default(), configurations(options.preset)
    names, broken, there = {config.hash() for config in asked.values()}, damaged(store), store.hashes()
    for reason in broken.values():
        _tell(f"error: {reason}")
    here = names & there.keys()
    _tell(
        f"preset {options.preset}: {len(here)} of {len(names)} results are there, "
        f"{len(here - broken.keys())} of them whole"
    )
    others = there.keys() - names
    if others:
        _tell(f"beside it: {len(others)} other result{'s' * (len(others) > 1)}, {len(others - broken.keys())} whole")
    if broken:
        return 3
    if not here:
        _tell_of_the_book()
    checks = retrain(
        asked,
        store,
        options.sample,
        seed=options.seed,
        report=_tell,
    )
    if options.json:
        print(_json([asdict(check) | {"passed": check.passed} for check in checks]))
    else:
        for c in checks:
            word = "agrees" if c.passed else "DIFFERS"
            interval = f"[{c.low:.2f}, {c.high:.2f}]"
            print(f"{c.experiment:28} member {c.member:2}  {c.quantity:20} {c.value:7.2f} in {interval:18} {word}")
    return 0 if here and all(check.passed for check in checks) else 1


def _show(options: argparse.Namespace) -> int:
    store, named = Store.default(), _named()
    try:
        found = called(options.result, named, store.hashes())
    except MissingResult as error:
        _tell_of_the_book()
        raise ConfigError(str(error)) from None
    if len(found) != 1:
        raise ConfigError(f"{len(found)} results are called {options.result!r}: {', '.join(found)}")
    told = account(found[0], store, by_hash(named))
    if options.json:
        print(_json(told))
        return 0
    for name in ("hash", "experiment", "file"):
        print(f"{name:34} {told[name] or 'of no preset'}")
    for name, value in told["provenance"].items():
        print(f"{name:34} {readable_time(value).removeprefix('about ') if name in SECONDS else value}")
    print("config:")
    for name, value in told["config"].items():
        print(f"  {name:32} {value}")
    _print_measures(told)
    return 0


def _export(options: argparse.Namespace) -> int:
    what = options.what or ([] if options.all or options.values else ["paper"])
    if options.all and what:
        raise ConfigError(f"--all is everything in the store; got {' '.join(what)} beside it")
    check_format(options.format)
    settings, store = parse_lists(options.values), Store.default()
    named = configurations(what[0]) if len(what) == 1 and what[0] in PRESETS else _named()
    there = store.hashes()
    meant = [name for one in what for name in _asked(one, named, there)] if what else there
    asked = selected(meant, named, store, settings)
    for path in export(asked, store, options.to, options.format):
        print(path)
    _tell(f"{len(asked)} result{'s' * (len(asked) > 1)}")
    return 0


def _named() -> dict[str, ExperimentConfig]:
    """All experiments by name: those of preset paper, and those of others as ``laptop:NAME``."""
    others = [
        (f"{preset}:{n}", c) for preset in PRESETS if preset != "paper" for n, c in configurations(preset).items()
    ]
    return configurations("paper") | dict(others)


def _asked(text: str, named: Mapping[str, ExperimentConfig], there: Collection[str]) -> list[str]:
    """The hashes of the stored results of a preset, or of what else is `called` so."""
    if text not in PRESETS:
        return called(text, named, there)
    hashes = [config.hash() for config in configurations(text).values()]
    found = [name for name in hashes if name in there]
    if not found:
        raise MissingResult(
            f"of the {len(hashes)} results of preset {text} none is there; see: python -m spectral sweep {text}"
        )
    return found


def _claims(options: argparse.Namespace) -> int:
    if options.announce:
        if options.preset != "paper":
            raise ConfigError(f"there is nothing to announce of preset {options.preset}: only paper decides")
        need_checkout("--announce writes book/verdicts.json")
    _check_folder(options.junit, "--junit")
    judged = ledger(options.preset)
    if options.json:
        print(_json(announcement(judged)))
    else:
        from spectral.book.markdown import measured_text

        for entry in announcement(judged):
            print("; ".join([f"{entry['id']:22} {entry['verdict']}", *entry["limits"]]))
            for test in entry["tests"]:
                name = " ".join([test["quantity"], *test["choice"].values()])
                print(f"  {name:52} {measured_text(test):44} {test['verdict']}")
    if options.announce:
        announce(judged)
    if options.junit is not None:
        from spectral.book.junit import junit

        write_atomically(options.junit, junit(judged, announced()))
    if options.announce:
        return 0
    if any(outcome.verdict == MISSING for entry in judged for outcome in entry.outcomes):
        _tell(f"results of preset {options.preset} are missing; see: python -m spectral status {options.preset}")
        _tell_of_the_book()
        return 1
    differences = unannounced(judged, announced()) if options.preset == "paper" else []
    for difference in differences:
        print(f"not announced: {difference}", file=sys.stderr)
    return 1 if differences else 0


def _crate(options: argparse.Namespace) -> int:
    from spectral.book.crate import write_crate

    written = write_crate(options.to)
    print(f"{options.to}: {written.runs} runs, numbers of {written.figures} figures, {written.claims} claims")
    if written.missing:
        every = written.runs + len(written.missing)
        print(f"{len(written.missing)} of {every} runs are missing; see: python -m spectral status", file=sys.stderr)
    return 1 if written.missing else 0


def _bench(options: argparse.Namespace) -> int:
    from spectral.bench.measure import bench
    from spectral.bench.tables import machine_line, save, tables

    if options.quick and options.to is not None and options.to.exists():
        raise ConfigError(f"{options.to} is there, and quick measurements mean nothing; name another file")
    _check_folder(options.to)
    measured = bench(options.quick, lambda line: print(line, file=sys.stderr, flush=True))
    if options.to is not None:
        save(measured, options.to)
    print(*tables(measured).values(), machine_line(measured), sep="\n\n")
    return 0


def _size(options: argparse.Namespace) -> int:
    """Exit code 1 where students do not agree: what was found is printed and kept all the same."""
    from spectral.apply.report import card, check_folder, save, summary
    from spectral.apply.rightsize import expected_seconds as expected_of
    from spectral.apply.rightsize import look_for_size
    from spectral.apply.tables import TableError, read_table
    from spectral.book.figures.owndata import save_curve

    names = ("width", "students", "steps", "seed", "tolerance")
    try:
        settings = Settings(**{name: getattr(options, name) for name in names if getattr(options, name) is not None})
        if options.to is not None:
            check_folder(options.to)
        if options.table.is_file() and (size := options.table.stat().st_size / 1e6) > 20:
            print(f"reading {size:,.0f} MB; {readable_time(size / 10)}", file=sys.stderr)
        table = read_table(options.table, options.target, task=options.task)
        expected = readable_time(expected_of(table, settings))
        print(f"{len(table.y):,} rows, {table.features.shape[1]} columns, {table.task}; {expected}", file=sys.stderr)
        found = look_for_size(table, settings)
    except (TableError, ValueError, ArithmeticError, FileExistsError, ImportError) as error:
        raise ConfigError(str(error)) from None
    print(_json(card(found)) if options.json else summary(found))
    if options.to is not None:
        for path in save(found, options.to, draw=save_curve):
            print(path, file=sys.stderr)
    return 0 if found.doubt is None else 1


def _tables(options: argparse.Namespace) -> int:
    from spectral.bench import owndata

    _check_folder(options.to)
    owndata.measure(options.to, lambda line: print(line, flush=True))
    return 0


def _coverage(options: argparse.Namespace) -> int:
    if options.repetitions < 1:
        raise ConfigError(f"--repetitions must be at least 1; got {options.repetitions}")
    _check_folder(options.to)
    rows = coverage.study(options.repetitions, lambda line: print(line, flush=True))
    if options.to is not None:
        coverage.save(rows, options.to)
    return 0


def _check_folder(to: Path | None, option: str = "--to") -> None:
    """Raise ConfigError, before any work, if a result is to be written where no folder is."""
    if to is not None and not to.parent.is_dir():
        raise ConfigError(f"{option} names a file in {to.parent}, which is no folder")


def _store(options: argparse.Namespace) -> Store:
    if options.publish and not os.environ.get("SPECTRAL_RESULTS"):
        need_checkout("--publish keeps results in book/results")
    return replace(Store.default(), publish=options.publish)


def _prepare_training(options: argparse.Namespace) -> None:
    check_device(options.device)
    # For the PyTorch loop; the kernel's threads do it themselves. Numbers too small for their format slow a processor
    # down. The setting reaches the threads that start after it.
    torch.set_flush_denormal(True)


def _json(value: Any) -> str:
    """JSON as any reader takes it: numbers that are not finite become null."""

    def plain(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: plain(entry) for key, entry in item.items()}
        if isinstance(item, (list, tuple)):
            return [plain(entry) for entry in item]
        return None if isinstance(item, float) and not math.isfinite(item) else item

    return json.dumps(plain(value), indent=1, allow_nan=False)


def _print_measures(told: Mapping[str, Any]) -> None:
    for one in told["measures"].values():
        interval = Interval(one["value"], one["low"], one["high"], f"{one['n']} {one['of']}")
        print(f"{one['label']:34} {readable(interval)}")


def _tell_of_the_book() -> None:
    """Where results are missing, and the package brings none."""
    if not (is_checkout() or os.environ.get("SPECTRAL_RESULTS")):
        _tell(
            "an installed package has none of the book's results: they are in its repository, in book/results, and "
            "SPECTRAL_RESULTS names a folder of them"
        )


def _tell(line: str) -> None:
    """Beside the results, which go to the standard output alone."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
