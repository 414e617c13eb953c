"""Installs the build into an empty folder, builds a stranger's project against it, and runs that against the installed grape."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
import support  # noqa: E402


class Install(support.TestCase):
    def test_a_stranger_finds_builds_and_runs(self):
        build = pathlib.Path(os.environ["GRENACHE_BUILD"])
        source = pathlib.Path(__file__).parent / "consumer"
        with tempfile.TemporaryDirectory() as folder:
            prefix, consumer = pathlib.Path(folder, "prefix"), pathlib.Path(folder, "build")
            subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
            self.assertEqual(sorted(path.name for path in (prefix / "bin").iterdir()), ["exchange", "grape", "grenache"])
            subprocess.run(
                ["cmake", "-G", "Ninja", "-S", source, "-B", consumer, f"-DCMAKE_PREFIX_PATH={prefix}",
                 f"-DCMAKE_CXX_COMPILER={os.environ['GRENACHE_CXX']}"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["cmake", "--build", consumer], check=True, stdout=subprocess.DEVNULL)
            support.BIN = prefix / "bin"
            grape = self.start(support.Grape)
            result = subprocess.run([consumer / "service", grape.url], timeout=support.LIMIT_S)
            self.assertEqual(result.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
