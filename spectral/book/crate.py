"""The book's runs, its figures' numbers, the ledger and its verdicts as an RO-Crate, for other programs.

An `RO-Crate <https://w3id.org/ro/crate>`_ is a folder with ``ro-crate-metadata.json``, which describes what is in it in
the words of schema.org. This one is whole by itself. It holds

* of every run its numbers and its provenance, as they are in the store, and how they came about: a ``CreateAction``
  with the configuration, the software and the times, as the profile `Process Run Crate
  <https://w3id.org/ro/wfrun/process>`_ has it;
* of every figure its numbers as CSV, with its caption, its chapter and the runs it was made from;
* the ledger and the verdicts: every claim is a ``Claim``, every verdict a ``ClaimReview`` of it, and what a test has
  measured a ``PropertyValue``.

Equal runs and chapters make equal bytes. What runs, figures and claims share (a setting, an environment, a rule) is
described once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from spectral.book import notebooks
from spectral.book.claims import (
    ANNOUNCED,
    CONFIRMED,
    CONFIRMED_WITHIN,
    HOLDS,
    LEDGER,
    NOT,
    REFUTED,
    UNDECIDED,
    WITHIN,
    announced,
)
from spectral.book.markdown import NAMES, measured_text, rule
from spectral.book.page import FIGURE
from spectral.lab.config import ConfigError, ExperimentConfig
from spectral.lab.files import REPOSITORY, unwritable
from spectral.lab.presets import configurations
from spectral.lab.results import AXES
from spectral.lab.store import Store

CITATION, LICENCE, CHAPTERS = REPOSITORY / "CITATION.cff", REPOSITORY / "LICENSE", REPOSITORY / "book"

METADATA, VERSION = "ro-crate-metadata.json", "1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
"""Of crates about runs of programs; it is written for version 1.1 of RO-Crate."""
SPDX = "https://spdx.org/licenses/"

RATINGS = {NOT: 1, REFUTED: 1, UNDECIDED: 2, WITHIN: 3, CONFIRMED_WITHIN: 3, HOLDS: 4, CONFIRMED: 4}
"""Verdicts as numbers, for programs that compare; people read the word. What is not computed yet has none."""

Reference = dict[str, str]


@dataclass(frozen=True)
class Written:
    """What a crate holds: how many runs, figures and claims; and the experiments of which no run was there."""

    runs: int
    figures: int
    claims: int
    missing: tuple[str, ...]


def write_crate(folder: Path, *, store: Store | None = None, chapters: Path = CHAPTERS) -> Written:
    """Write the crate to a new folder, or in place of one that was written before.

    Parameters
    ----------
    folder:
        Is replaced as a whole, once all is written.
    store:
        Of the runs, those of preset ``paper``; default `spectral.lab.store.Store.default`.
    chapters:
        The folder of the executed notebooks.

    Raises
    ------
    ConfigError
        If the folder holds anything else, if a package or the book is missing; before any work.
    DamagedResult
        If a result is not what was written.
    StoreError
        If the crate cannot be written; what was there before is still there.
    """
    try:
        import rocrate.rocrate  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"the Python package {error.name} is needed to write a crate; pip install '.[crate]'"
        ) from None
    if not CITATION.exists():
        raise ConfigError(f"a crate is made from the book's repository, and {CITATION.parent} is none: no CITATION.cff")
    cff = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    check_folder(folder, cff["title"])
    builder = _Builder(cff)
    missing = builder.add_runs(store or Store.default())
    builder.add_figures(chapters)
    builder.add_ledger()
    try:
        builder.write(folder)
    except OSError as error:
        raise unwritable(folder, error) from None
    return Written(len(builder.runs), builder.figures, builder.claims, tuple(missing))


def check_folder(folder: Path, title: str) -> None:
    """Raise ConfigError if anything would be lost by writing a crate called `title` to `folder`."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is there and no folder; name another one")
    if not any(folder.iterdir()):
        return
    try:
        graph = {entity["@id"]: entity for entity in json.loads((folder / METADATA).read_text("utf-8"))["@graph"]}
        ours = graph["./"]["name"] == title
    except (OSError, ValueError, LookupError, TypeError):
        ours = False
    if not ours:
        raise ConfigError(f"{folder} is there, and not a crate of this book; name another folder, or empty this one")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _is_filled(path)}
    others = sorted(there - {METADATA} - graph.keys())
    if others:
        raise ConfigError(f"{folder} holds {others[0]}, which is not of the crate there; move it away, and try again")


def _is_filled(path: Path) -> bool:
    """Whether a path is a folder, and no link to one, in which there is something: that is looked at in its place."""
    return path.is_dir() and not path.is_symlink() and any(path.iterdir())


class _Builder:
    """A crate in the making; methods that add an entity return a reference to it."""

    def __init__(self, cff: Mapping[str, Any]) -> None:
        from rocrate.rocrate import ROCrate

        self.crate = ROCrate(version=VERSION)
        self.crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"  # of a later version
        self.runs: dict[str, list[Reference]] = {}
        self.figures = self.claims = 0
        self.actions: list[Reference] = []
        self.reviews: list[Reference] = []
        self.released = str(cff["date-released"])
        self.authors = [self.author(author) for author in cff["authors"]]
        self.paper = self.add_paper(cff["references"][0])
        self.file(CITATION, "CITATION.cff", "How to cite this", "application/yaml")
        self.file(LICENCE, "LICENSE", "The licence", "text/plain")
        self.software = self.add(
            "#spectral",
            "SoftwareSourceCode",
            name="student-teacher-spectral",
            description="The Python package that has trained the runs, drawn the figures and judged the claims.",
            version=str(cff["version"]),
            author=self.authors,
            license=self.add_licence(cff["license"]),
            programmingLanguage=self.add("#python", "ComputerLanguage", name="Python", url="https://www.python.org"),
            **{name: cff[entry] for name, entry in (("codeRepository", "repository-code"),) if entry in cff},
        )
        self.book = self.add("#book", "Book", name=cff["title"], author=self.authors)
        for name, value in {
            "name": cff["title"],
            "description": "Runs, figures' numbers, claims and verdicts of a reproduction of the paper "
            f"“{cff['references'][0]['title']}”. {cff['message']}",
            "conformsTo": self.add(PROFILE, "CreativeWork", name="Process Run Crate", version=PROFILE.split("/")[-1]),
            "datePublished": self.released,
            "version": str(cff["version"]),
            "keywords": ", ".join(cff["keywords"]),
            "license": self.add_licence(cff["license"]),
            **_given({"author": self.authors, "publisher": self.authors}),
            "citation": self.paper,
        }.items():
            self.crate.root_dataset[name] = value

    def add(self, identifier: str, kind: str, /, **properties: Any) -> Reference:
        """An entity that is no file, once."""
        from rocrate.model.contextentity import ContextEntity

        if identifier not in self.crate:
            self.crate.add(ContextEntity(self.crate, identifier, properties={"@type": kind, **_given(properties)}))
        return {"@id": identifier}

    def value(self, identifier: str, name: str, /, **properties: Any) -> Reference:
        """A number or a word with a name."""
        return self.add(f"#{quote(identifier)}", "PropertyValue", name=name, **properties)

    def file(self, source: Path | bytes, path: str, name: str, kind: str, /, **properties: Any) -> Reference:
        """A file, with its length and its checksum."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        about = {
            "name": name,
            "encodingFormat": kind,
            "contentSize": str(len(data)),
            "sha256": hashlib.sha256(data).hexdigest(),
            **_given(properties),
        }
        self.crate.add_file(BytesIO(data) if isinstance(source, bytes) else source, path, properties=about)
        return {"@id": path}

    def author(self, entry: Mapping[str, Any]) -> Reference:
        """A person or a group, as in ``CITATION.cff``."""
        if "name" in entry:
            return self.add(f"#{quote(entry['name'])}", "Organization", name=entry["name"])
        given, family = entry.get("given-names", ""), entry.get("family-names", "")
        name = f"{given} {family}".strip()
        return self.add(f"#{quote(name)}", "Person", name=name, givenName=given, familyName=family)

    def add_licence(self, name: str) -> Reference:
        """A licence by its name in the list of SPDX."""
        text = "The text is in the file LICENSE."
        return self.add(f"{SPDX}{name}", "CreativeWork", name=name, description=text, url=f"{SPDX}{name}.html")

    def add_paper(self, entry: Mapping[str, Any]) -> Reference:
        """The paper, by its DOI, as in ``CITATION.cff``."""
        found: dict[str, list[str]] = {}
        for identifier in entry["identifiers"]:
            found.setdefault(identifier["type"], []).append(identifier["value"])
        arxiv = [value.removeprefix("arXiv:") for value in found["other"]]
        return self.add(
            f"https://doi.org/{found['doi'][0]}",
            "ScholarlyArticle",
            name=entry["title"],
            author=[self.author(author) for author in entry["authors"]],
            datePublished=str(entry["year"]),
            isPartOf=self.add("#proceedings", "PublicationVolume", name=entry["collection-title"]),
            identifier=[f"https://doi.org/{found['doi'][0]}", *found["other"]],
            sameAs=[*found["url"], *(f"https://arxiv.org/abs/{number}" for number in arxiv)],
        )

    def add_runs(self, store: Store) -> list[str]:
        """All runs of preset ``paper`` that are there; returns the names of those that are not."""
        missing = []
        for experiment, config in configurations("paper").items():
            if store.has(config.hash()):
                self.add_run(experiment, config, store)
            else:
                missing.append(experiment)
        return missing

    def add_run(self, experiment: str, config: ExperimentConfig, store: Store) -> None:
        """Two files, and the action that has made them."""
        name = config.hash()
        arrays, provenance = store.load(name)
        stem, folder = f"results/{name}", store.hashes()[name]
        numbers = self.file(
            folder / f"{name}.npz",
            f"{stem}.npz",
            f"{experiment}: numbers",
            "application/zip",
            description="NumPy arrays, each a member of this archive.",
            variableMeasured=[self.array(array) for array in arrays],
        )
        origin = self.file(
            folder / f"{name}.json",
            f"{stem}.json",
            f"{experiment}: provenance",
            "application/json",
            about=numbers,
        )
        self.runs[name] = [numbers, origin]
        environment = ("machine", "device", "loop")
        self.actions.append(
            self.add(
                f"#run-{name}",
                "CreateAction",
                name=f"Training of {experiment}",
                description=provenance["command"],
                identifier=name,
                instrument=self.engine(provenance),
                agent=self.authors,
                object=[self.setting(*pair) for pair in config.changed(everything=True).items()],
                result=[numbers, origin],
                additionalProperty=[self.value(f"{e}-{provenance[e]}", e, value=provenance[e]) for e in environment],
                **_times(provenance),
            )
        )

    def setting(self, name: str, value: Any) -> Reference:
        """A parameter of a configuration."""
        return self.value(f"{name}={value}", name, value=value, propertyID=f"spectral.ExperimentConfig.{name}")

    def array(self, name: str) -> Reference:
        """One of the arrays of a result, with the letters of its axes."""
        axes = f"Axes {AXES[name]}, as spectral.lab.results names them."
        return self.value(f"array-{name}", name, propertyID=f"spectral.lab.results.{name}", description=axes)

    def engine(self, provenance: Mapping[str, Any]) -> Reference:
        """The package at a revision, and what it has run on."""
        revision = provenance["git"] or "unknown"
        packages = {name: provenance[name] for name in ("python", "torch", "numpy", "numba") if provenance[name]}
        key = "-".join([str(provenance["engine"]), revision[:12], *packages.values()])
        return self.add(
            f"#engine-{quote(key)}",
            "SoftwareApplication",
            name=f"student-teacher-spectral, engine {provenance['engine']}, revision {revision[:7]}",
            softwareVersion=revision,
            url=self.crate.get("#spectral").get("codeRepository"),
            exampleOfWork=self.software,
            softwareRequirements=[self.package(*pair) for pair in packages.items()],
        )

    def package(self, name: str, version: str) -> Reference:
        """What the package has run on, by its public address; builds of a version have one."""
        public = version.partition("+")[0]
        digits = public.replace(".", "")
        places = {"python": f"https://www.python.org/downloads/release/python-{digits}/"}
        url = places.get(name, f"https://pypi.org/project/{name}/{public}/")
        return self.add(url, "SoftwareApplication", name=name, softwareVersion=version, url=url)

    def add_figures(self, folder: Path) -> None:
        """The numbers of all figures that have some."""
        for path in sorted(folder.glob("*.ipynb")):
            notebook = json.loads(path.read_text(encoding="utf-8"))
            values = notebooks.said(notebook)
            chapter = f"#chapter-{path.stem}"
            self.add(chapter, "Chapter", name=notebooks.title(notebook), isPartOf=self.book, identifier=path.stem)
            for cell, data in notebooks.figures(notebook):
                words, figure = notebooks.words(cell), data[FIGURE]
                if len(figure["numbers"].splitlines()) > 1:
                    self.file(
                        figure["numbers"].encode(),
                        f"figures/{words.name}.csv",
                        f"Numbers of the figure “{words.name}”",
                        "text/csv",
                        description=notebooks.plain(words.caption, values),
                        isPartOf={"@id": chapter},
                        isBasedOn=[self.runs[run][0] for run in figure["runs"] if run in self.runs],
                    )
                    self.figures += 1

    def add_ledger(self) -> None:
        """Claims, rules and verdicts."""
        text = "What is claimed, what is measured of it, and the rules of the verdicts, committed before the runs."
        rules = self.file(LEDGER, LEDGER.name, "The ledger", "application/yaml", description=text)
        text = "What was measured, and the verdicts."
        found = self.file(ANNOUNCED, ANNOUNCED.name, "The verdicts", "application/json", description=text)
        for entry in announced():
            self.reviews.append(self.review(entry, rules, found))
            self.claims += 1

    def review(self, entry: Mapping[str, Any], rules: Reference, found: Reference) -> Reference:
        """A claim, and the verdict on it."""
        name, of_paper = entry["id"], entry["of"] == "paper"
        claim = self.add(
            f"#claim-{name}",
            "Claim",
            name=name,
            text=entry["statement"],
            appearance=self.paper if of_paper else self.book,
            author=self.crate.get(self.paper["@id"]).properties()["author"] if of_paper else self.authors,
            isPartOf=rules,
        )
        rating = self.add(
            f"#rating-{quote(entry['verdict'])}",
            "Rating",
            ratingValue=RATINGS.get(entry["verdict"]),
            worstRating=min(RATINGS.values()),
            bestRating=max(RATINGS.values()),
            alternateName=entry["verdict"],
            ratingExplanation="1 does not hold, 2 undecided, 3 holds within limits, 4 holds",
        )
        return self.add(
            f"#review-{name}",
            "ClaimReview",
            name=f"The verdict on “{name}”",
            claimReviewed=entry["statement"],
            itemReviewed=claim,
            reviewRating=rating,
            reviewBody=entry["takeaway"],
            reviewAspect=entry["limits"],
            author=self.authors,
            datePublished=self.released,
            isPartOf={"@id": f"#chapter-{entry['chapter']}"},
            isBasedOn=[rules, found],
            additionalProperty=[self.test(f"test-{name}-{n}", test) for n, test in enumerate(entry["tests"], 1)],
        )

    def test(self, identifier: str, test: Mapping[str, Any]) -> Reference:
        """What was measured, with the ends of its 95 % interval, and what was asked; of several cells each."""
        asked = self.rule(test["holds"])
        limit = f"Beyond the claim's setting, {test['limit']}: " if test["limit"] else ""
        text = f"{limit}{test['meaning']} {measured_text(test)}; {test['against']}. Asked: {rule(test)}."
        cells, measured = test["cells"], test["measured"]
        return self.value(
            identifier,
            NAMES.get(test["quantity"], test["quantity"].replace("_", " ")),
            propertyID=test["quantity"],
            description=text,
            unitText=test["unit"],
            measurementTechnique=_technique(test),
            valueReference=[
                asked,
                self.verdict(test["verdict"]),
                *(
                    self.value(
                        f"{identifier}-cell-{number}",
                        cell,
                        unitText=test["unit"],
                        valueReference=[asked, self.verdict(word)],
                        **_measured(three),
                    )
                    for number, (cell, word, three) in enumerate(
                        zip(cells, test["words"], measured if cells else [], strict=True), 1
                    )
                ),
            ],
            **({} if cells or measured is None else _measured(measured)),
        )

    def rule(self, holds: Iterable[float | None]) -> Reference:
        """The bounds within which a test holds."""
        low, high = holds
        text = "The test holds if the 95 % interval lies within."
        return self.value(f"rule-{low}-{high}", "asked", minValue=low, maxValue=high, description=text)

    def verdict(self, word: str) -> Reference:
        """The word for a test or a cell."""
        return self.value(f"verdict-{word}", "verdict", value=word)

    def write(self, folder: Path) -> None:
        """Write all of it beside `folder`, and then let it take that place."""
        self.crate.root_dataset["mentions"] = [*self.actions, *self.reviews]
        folder = folder.absolute()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
            new, old = Path(made) / "new", Path(made) / "old"
            self.crate.write(new)
            try:
                if folder.exists():
                    os.rename(folder, old)
                os.rename(new, folder)
            except BaseException:  # an interrupt between the two, after which `made` is removed, too
                if old.exists() and not folder.exists():
                    os.rename(old, folder)
                raise


def _given(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What there is of some properties; one of its kind stands alone, as RO-Crate has it."""
    single = {n: v[0] if isinstance(v, list) and len(v) == 1 else v for n, v in properties.items()}
    return {name: value for name, value in single.items() if value is not None and value not in ("", [])}


def _times(provenance: Mapping[str, Any]) -> dict[str, str]:
    """When a run ended, and when it began if it was not interrupted."""
    end = datetime.fromisoformat(provenance["date"])
    times = {"endTime": end.isoformat()}
    if not provenance["resumed"]:
        times["startTime"] = (end - timedelta(seconds=round(provenance["seconds"]))).isoformat()
    return times


def _measured(three: Iterable[float]) -> dict[str, float]:
    """A number and the ends of its interval."""
    value, low, high = three
    return {"value": value, "minValue": low, "maxValue": high}


def _technique(test: Mapping[str, Any]) -> str:
    """What was chosen of a quantity, and what it rests on."""
    chosen = [f"{name} {value}" for name, value in test["choice"].items()]
    widths = [f"widths {', '.join(map(str, test['widths']))}"] if test["widths"] else []
    return "; ".join([*chosen, *widths, *([f"sample {test['sample']}"] if test["sample"] else [])])
