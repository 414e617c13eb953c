"""Installs the build into an empty folder, builds a stranger's project against it, and runs that with the installed grape."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
import support  # noqa: E402

TESTS = pathlib.Path(__file__).parent.parent


class Install(support.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.prefix, cls.consumer = pathlib.Path(folder.name, "prefix"), pathlib.Path(folder.name, "build")
        quietly = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["cmake", "--install", os.environ["GRENACHE_BUILD"], "--prefix", cls.prefix], **quietly)
        subprocess.run(
            ["cmake", "-G", "Ninja", "-S", TESTS / "install" / "consumer", "-B", cls.consumer,
             f"-DCMAKE_PREFIX_PATH={cls.prefix}", f"-DCMAKE_CXX_COMPILER={os.environ['GRENACHE_CXX']}"], **quietly)
        subprocess.run(["cmake", "--build", cls.consumer], **quietly)
        support.BIN = cls.prefix / "bin"

    def test_the_programs_are_there(self):
        self.assertEqual(sorted(path.name for path in support.BIN.iterdir()), ["exchange", "grape", "grenache"])

    def test_a_stranger_serves_and_calls_in_one_program(self):
        grape = self.start(support.Grape)
        result = subprocess.run([self.consumer / "service", grape.url], timeout=support.LIMIT_S)
        self.assertEqual(result.returncode, 0)

    def test_pkg_config_is_enough_to_build_and_the_package_may_move(self):
        moved = self.consumer / "moved"
        shutil.copytree(self.prefix, moved)
        folder = next(moved.rglob("grenache.pc")).parent
        search = [str(folder), os.environ.get("PKG_CONFIG_PATH", "")]
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "--static", "grenache"], check=True, capture_output=True, text=True,
            env={**os.environ, "PKG_CONFIG_PATH": ":".join(filter(None, search))}).stdout.split()
        self.assertFalse([flag for flag in flags if str(self.prefix) in flag])
        program = self.consumer / "by_pkg_config"
        source = TESTS.parent / "proto" / "grenache" / "rpc" / "examples" / "service.cpp"
        subprocess.run([os.environ["GRENACHE_CXX"], "-std=c++20", source, "-o", program, *flags], check=True)
        grape = self.start(support.Grape)
        service = self.start(support.Process, program, grape.url)
        grape.wait_found("rpc_test")
        self.assertEqual(service.stop()[0], 0)

    def test_the_client_of_the_readme_calls_its_service(self):
        grape = self.start(support.Grape)
        service = self.start(support.Process, self.consumer / "readme_service", grape.url)
        grape.wait_found("rpc_test")
        said = subprocess.run([self.consumer / "readme_client", grape.url], capture_output=True, timeout=support.LIMIT_S)
        self.assertEqual(said.stdout, b'"hello"\n')
        self.assertEqual(service.stop()[0], 0)

    def test_node_calls_the_service_of_the_readme(self):
        packages = pathlib.Path(os.environ["INTEROP_MODULES"], "node_modules", ".complete")
        if shutil.which("node") is None or not packages.exists():
            self.skipTest("Node's packages are not installed; the test interop.packages says why")
        grape = self.start(support.Grape)
        service = self.start(support.Process, self.consumer / "readme_service", grape.url)
        grape.wait_found("rpc_test")
        payload = {"hello": "wörld", "list": [1, None]}
        call = {"id": 1, "do": "request", "name": "rpc_test", "payload": payload, "gzip": True}
        caller = subprocess.Popen(["node", TESTS / "interop" / "node" / "rpc_call.cjs", "--grape", grape.url],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (caller.kill(), caller.communicate()))
        caller.stdin.write(json.dumps(call) + "\n")
        caller.stdin.flush()
        self.assertEqual(json.loads(caller.stdout.readline()), {"id": 1, "result": payload})
        self.assertEqual(service.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
