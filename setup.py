"""What is made when ocsnap is installed; all the rest is in pyproject.toml.

The declarations of librsync are parsed. The signer, the formatter and the lister are compiled, but
without a compiler or Python's headers ocsnap is installed all the same, and works more slowly.
"""

import runpy

from setuptools import setup

COMPILED = (
    "ocsnap/librsync/signer_build.py",
    "ocsnap/database/mysql/formatter_build.py",
    "ocsnap/snapshot/lister_build.py",
)

binding = runpy.run_path("ocsnap/librsync/binding_build.py")["ffi"]
binding.emit_python_code("ocsnap/librsync/_binding.py")

extensions = [runpy.run_path(path)["ffi"].distutils_extension(tmpdir="build") for path in COMPILED]
for extension in extensions:
    extension.optional = True
setup(ext_modules=extensions)
