"""What pyproject.toml cannot say: where twistd's plugin and the files beside the code come from."""

from shutil import rmtree

from setuptools import find_packages, setup
from setuptools.command.build import build


class FreshBuild(build):
    """Builds into an empty folder: setuptools would pack files that an earlier version left in ``build/``."""

    def run(self) -> None:
        rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(
    # Spelt out, since an editable install then puts this folder on the path, where twistd finds the plugin.
    package_dir={"": "."},
    packages=[*find_packages(include=["mxisd", "mxisd.*"]), "twisted.plugins"],
    package_data={
        "mxisd": ["py.typed", "**/*.sql", "**/*.html", "**/*.css", "**/*.eml", "**/*.txt", "**/*.lua", "**/*.po"]
    },
    zip_safe=False,
    cmdclass={"build": FreshBuild},
)
