"""The one part of ocsnap that is compiled; all the rest is in pyproject.toml.

Optional: without a compiler or Python's headers ocsnap is installed all the same, and librsync does
that work, more slowly.
"""

import runpy

from setuptools import setup

ffi = runpy.run_path("ocsnap/librsync/signer_build.py")["ffi"]
extension = ffi.distutils_extension(tmpdir="build")
extension.optional = True
setup(ext_modules=[extension])
