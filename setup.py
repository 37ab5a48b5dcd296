"""What is made when ocsnap is installed; all the rest is in pyproject.toml.

The declarations of librsync are parsed. The signer is compiled, but without a compiler or Python's
headers ocsnap is installed all the same, and librsync does that work, more slowly.
"""

import runpy

from setuptools import setup

binding = runpy.run_path("ocsnap/librsync/binding_build.py")["ffi"]
binding.emit_python_code("ocsnap/librsync/_binding.py")

signer = runpy.run_path("ocsnap/librsync/signer_build.py")["ffi"]
extension = signer.distutils_extension(tmpdir="build")
extension.optional = True
setup(ext_modules=[extension])
