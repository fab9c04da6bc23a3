"""What pyproject.toml cannot say: a wheel has the small files that the book keeps, which lie beside the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

KEPT = [f"book/{name}" for name in ("bench.json", "claims.yaml", "coverage.json", "tables.json", "verdicts.json")]


class BuildWithKept(build_py):
    """Copies them to ``spectral/kept``, where `spectral.lab.files.kept` finds them."""

    def run(self) -> None:
        """Copy the modules, and then the files."""
        super().run()
        if not self.editable_mode:  # there the book's own are read
            folder = Path(self.build_lib, "spectral", "kept")
            self.mkpath(str(folder))
            for name in KEPT:
                self.copy_file(name, str(folder))

    def get_source_files(self) -> list[str]:
        """So that a source distribution has them, too."""
        return [*super().get_source_files(), *KEPT]


setup(cmdclass={"build_py": BuildWithKept})
