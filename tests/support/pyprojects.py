"""Small Python projects of every build backend."""

from __future__ import annotations

from collections.abc import Mapping

Files = Mapping[str, str]

_READ = 'from importlib.metadata import version\n\n__version__ = version("{name}")\n'

HATCHLING: Files = {
    "pyproject.toml": """\
# a remark that stays
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "Thing.Hatch"   # normalised to thing-hatch
version = "0.1.0"      # the released one is stamped
requires-python = ">=3.9"

[tool.hatch.build.targets.wheel]
packages = ["thing_hatch"]
""",
    "thing_hatch/__init__.py": '"""A thing."""\n\n__version__ = "0.1.0"\n',
    "thing_hatch/data.json": '{"a": "0.1.0"}\n',
    "thing_hatch/run.sh": "#!/bin/sh\n",
}

HATCH_PATH: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "thing-path"
dynamic = ["version", "description"]

[tool.hatch.version]
path = "thing_path/numbers.py"

[tool.hatch.metadata.hooks.custom]
path = "describe.py"
""",
    "describe.py": (
        "from hatchling.metadata.plugin.interface import MetadataHookInterface\n\n\n"
        "class Hook(MetadataHookInterface):\n"
        "    def update(self, metadata):\n"
        '        metadata["description"] = "found"\n'
    ),
    "thing_path/__init__.py": "from .numbers import VERSION as __version__\n",
    "thing_path/numbers.py": "VERSION: str = '0.1.0'\n",
}

SETUPTOOLS: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "thing-set"
version = "0.1.0"

[tool.setuptools.packages.find]
where = ["src"]
""",
    "src/thing_set/__init__.py": "__version__ = '0.1.0'\n",
}

SETUPTOOLS_DYNAMIC: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "thing-attr"
dynamic = ["version"]

[tool.setuptools]
packages = ["thing_attr"]

[tool.setuptools.dynamic]
version = {attr = "thing_attr.__version__"}
""",
    "thing_attr/__init__.py": '__version__ = "0.1.0"\n',
}

SETUPTOOLS_FILE: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "thing-file"
dynamic = ["version"]

[tool.setuptools]
packages = ["thing_file"]
package-data = {thing_file = ["VERSION"]}

[tool.setuptools.dynamic]
version = {file = ["thing_file/VERSION"]}
""",
    "thing_file/__init__.py": (
        'from pathlib import Path\n\n__version__ = Path(__file__).with_name("VERSION")'
        ".read_text().strip()\n"
    ),
    "thing_file/VERSION": "0.1.0\n",
}

SETUP_PY: Files = {
    "setup.py": """\
from setuptools import setup


def number():
    return "0.1.0"


setup(name="thing_old", version=number(), packages=["thing_old"])
""",
    "thing_old/__init__.py": "",
}

SETUP_CFG: Files = {
    "setup.py": "from setuptools import setup\n\nsetup()\n",
    "setup.cfg": """\
[metadata]
name = thing-cfg
version = attr: thing_cfg.__version__

[options]
packages = thing_cfg
""",
    "thing_cfg/__init__.py": '__version__ = "0.1.0"\n',
}

POETRY: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["poetry-core>=1.9"]
build-backend = "poetry.core.masonry.api"

[tool.poetry]
name = "thing-poetry"
version = "0.1.0"
description = "A thing"
authors = ["Nobody <nobody@example.org>"]

[tool.poetry.dependencies]
python = ">=3.9"
""",
    "thing_poetry/__init__.py": '__version__ = "0.1.0"\n',
}

FLIT: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["flit_core>=3.9"]
build-backend = "flit_core.buildapi"

[project]
name = "thing-flit"
dynamic = ["version", "description"]
""",
    "thing_flit.py": '"""A thing."""\n\n__version__ = "0.1.0"\n',
}

FLIT_OLD: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["flit_core>=3.2,<4"]
build-backend = "flit_core.buildapi"

[tool.flit.metadata]
module = "thing_flat"
author = "Nobody"
author-email = "nobody@example.org"
""",
    "thing_flat/__init__.py": '"""A thing."""\n\n__version__ = "0.1.0"\n',
}

HATCH_VCS: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling", "hatch-vcs"]
build-backend = "hatchling.build"

[project]
name = "thing-vcs"
dynamic = ["version"]

[tool.hatch.version]
source = "vcs"

[tool.hatch.build.hooks.vcs]
version-file = "thing_vcs/_version.py"
""",
    "thing_vcs/__init__.py": "from ._version import version as __version__\n",
    ".gitignore": "_version.py\n",
}

SETUPTOOLS_SCM: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=64", "setuptools-scm>=8"]
build-backend = "setuptools.build_meta"

[project]
name = "thing-scm"
dynamic = ["version"]

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools_scm]
version_file = "src/thing_scm/_version.py"
""",
    "src/thing_scm/__init__.py": "from ._version import version as __version__\n",
    "src/thing_scm/more data.txt": "what git tracks is the package's data\n",
    ".gitignore": "_version.py\n",
    "MANIFEST.in": "prune tests\n",
    "tests/test_it.py": "",
}

VERSIONINGIT: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=64", "versioningit"]
build-backend = "setuptools.build_meta"

[project]
name = "thing-it"
dynamic = ["version"]

[tool.setuptools]
packages = ["thing_it"]

[tool.versioningit.write]
file = "thing_it/_version.py"
""",
    "thing_it/__init__.py": "from ._version import __version__\n",
    ".gitignore": "_version.py\n",
}

PDM: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["pdm-backend"]
build-backend = "pdm.backend"

[project]
name = "thing-pdm"
dynamic = ["version"]

[tool.pdm.version]
source = "file"
path = "src/thing_pdm/__init__.py"
""",
    "src/thing_pdm/__init__.py": '__version__ = "0.1.0"\n',
}

PDM_SCM: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["pdm-backend"]
build-backend = "pdm.backend"

[project]
name = "thing-pscm"
dynamic = ["version"]

[tool.pdm.version]
source = "scm"
""",
    "src/thing_pscm/__init__.py": _READ.format(name="thing-pscm"),
}

SETUPTOOLS_GIT: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=64", "setuptools-git-versioning"]
build-backend = "setuptools.build_meta"

[project]
name = "thing-git"
dynamic = ["version"]

[tool.setuptools]
packages = ["thing_git"]

[tool.setuptools-git-versioning]
enabled = true
""",
    "thing_git/__init__.py": _READ.format(name="thing-git"),
}

USE_SCM: Files = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools", "setuptools_scm"]\n',
    "setup.py": (
        "from setuptools import setup\n\n"
        'setup(name="thing-use", packages=["thing_use"], use_scm_version=True)\n'
    ),
    "thing_use/__init__.py": _READ.format(name="thing-use"),
}

POETRY_DYNAMIC: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["poetry-core>=2", "poetry-dynamic-versioning>=1,<2"]
build-backend = "poetry_dynamic_versioning.backend"

[project]
name = "thing-dynamic"
dynamic = ["version"]

[project.urls]
home = "https://example.org"

[tool.poetry]
version = "0.0.0"

[tool.poetry-dynamic-versioning]
enable = true
""",
    "thing_dynamic/__init__.py": '__version__ = "0.0.0"\n',
}

COMPILED: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "thing-c"
version = "0.1.0"
""",
    "setup.py": (
        "from setuptools import Extension, setup\n\n"
        'setup(packages=["thing_c"], ext_modules=[Extension("thing_c.fast", ["fast.c"])])\n'
    ),
    "fast.c": """\
#include <Python.h>
static PyObject *where(PyObject *self, PyObject *args) { return PyUnicode_FromString(__FILE__); }
static PyMethodDef methods[] = {{"where", where, METH_NOARGS, 0}, {0, 0, 0, 0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", 0, -1, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
""",
    "thing_c/__init__.py": '__version__ = "0.1.0"\n',
}

MODULE: Files = {
    "setup.py": (
        "from setuptools import setup\n\nimport thing_one\n\n"
        'setup(name="thing_one", version=thing_one.__version__, py_modules=["thing_one"])\n'
    ),
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools"]\n'
        'build-backend = "setuptools.build_meta:__legacy__"\n'
    ),
    "thing_one.py": '__version__ = "0.1.0"\n',
}

# Each backend, and each way of saying a version; the module that knows it afterwards.
BACKENDS: Mapping[str, tuple[Files, str]] = {
    "hatchling": (HATCHLING, "thing_hatch"),
    "hatchling-path": (HATCH_PATH, "thing_path"),
    "setuptools": (SETUPTOOLS, "thing_set"),
    "setuptools-attr": (SETUPTOOLS_DYNAMIC, "thing_attr"),
    "setuptools-file": (SETUPTOOLS_FILE, "thing_file"),
    "setup.py": (SETUP_PY, ""),
    "a module": (MODULE, "thing_one"),
    "setup.cfg": (SETUP_CFG, "thing_cfg"),
    "poetry-core": (POETRY, "thing_poetry"),
    "flit": (FLIT, "thing_flit"),
    "flit-old": (FLIT_OLD, "thing_flat"),
    "hatch-vcs": (HATCH_VCS, "thing_vcs"),
    "setuptools-scm": (SETUPTOOLS_SCM, "thing_scm"),
    "versioningit": (VERSIONINGIT, "thing_it"),
    "setuptools-git-versioning": (SETUPTOOLS_GIT, "thing_git"),
    "use_scm_version": (USE_SCM, "thing_use"),
    "poetry-dynamic-versioning": (POETRY_DYNAMIC, "thing_dynamic"),
    "a C compiler": (COMPILED, "thing_c"),
    "pdm-backend": (PDM, "thing_pdm"),
    "pdm-scm": (PDM_SCM, "thing_pscm"),
}
