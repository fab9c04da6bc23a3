"""Which stored results are meant: by the names of experiments, by the beginnings of hashes, by settings."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from spectral.lab.collection import MissingResult
from spectral.lab.config import ENGINE_VERSION, ConfigError, ExperimentConfig
from spectral.lab.presets import PRESETS
from spectral.lab.results import stored_config
from spectral.lab.store import Store


def called(asked: str, named: Mapping[str, ExperimentConfig], there: Collection[str]) -> list[str]:
    """The hashes of the stored results that a text means.

    Parameters
    ----------
    asked:
        The name of an experiment, a pattern of names (``*`` stands for anything, ``/`` included), or the beginning of
        a hash.
    named:
        The experiments by name.
    there:
        The hashes of all stored results.

    Raises
    ------
    MissingResult
        If it means none; the message says whether that is called so, and what is called nearly so.

    Examples
    --------
    >>> called("0a", {}, ["0a4bd7c35d18", "0a5de838460b", "1dfeed000000"])
    ['0a4bd7c35d18', '0a5de838460b']
    """
    names = [name for name in named if fnmatchcase(name, asked)]
    if names:
        found = [named[name].hash() for name in names if named[name].hash() in there]
    else:
        found = [name for name in there if asked and name.startswith(asked)]
    if found:
        return found
    if names:
        raise MissingResult(f"no result is there of {asked}; train with: python -m spectral sweep, or run")
    close = difflib.get_close_matches(asked, [*PRESETS, *named, *there], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "see: python -m spectral status"
    raise MissingResult(f"0 results are called {asked!r}; {hint}")


def by_hash(named: Mapping[str, ExperimentConfig]) -> dict[str, str]:
    """From hashes to the names of experiments; of several names of one, the first."""
    return {config.hash(): name for name, config in reversed([*named.items()])}


def selected(
    hashes: Iterable[str],
    named: Mapping[str, ExperimentConfig],
    store: Store,
    settings: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, ExperimentConfig]:
    """The configurations of stored results, each once, by name, or by hash where they have no name.

    What this engine would compute otherwise is left out.

    Parameters
    ----------
    named:
        Experiments by name.
    settings:
        Parameters, and the values that each may have; results with others are left out.

    Raises
    ------
    MissingResult
        If none is left.
    KeyError, DamagedResult
        If one is not there, or its provenance is not what was written.
    """
    hashes = [*dict.fromkeys(hashes)]
    names = by_hash(named)
    configs = {}
    for name in hashes:
        if store.provenance(name).get("engine") == ENGINE_VERSION:
            config = stored_config(name, store)
            fits = all(any(_has(config, key, one) for one in values) for key, values in (settings or {}).items())
            if fits and config.hash() == name:
                configs[names.get(name, name)] = config
    if not configs:
        rest = f": {len(hashes)} are there, of other settings or another engine version" if hashes else ""
        raise MissingResult(f"no such result is in the store{rest}; see: python -m spectral status")
    return configs


def _has(config: ExperimentConfig, name: str, value: Any) -> bool:
    """Whether this is its value of a parameter; some are kept in another form, as 0 for a width that is the usual."""
    try:
        return bool(getattr(replace(config, **{name: value}), name) == getattr(config, name))
    except ConfigError:  # impossible beside its other parameters
        return False
