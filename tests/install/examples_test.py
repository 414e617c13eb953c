"""The examples of the peer library against each other, and the ones in its README against the README."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
import support  # noqa: E402

ROOM = pathlib.Path(__file__).parent.parent.parent / "proto" / "grenache" / "rpc"
EXAMPLES = pathlib.Path(os.environ["GRENACHE_EXAMPLES"])


def make_certificates(folder):
    """PEM files of an authority, and of `server` and `client` whom it has signed."""
    def sign(name, *more):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", f"/CN={name}", "-config", folder / "config", "-keyout", folder / f"{name}.key",
             "-out", folder / f"{name}.crt", *more], check=True, capture_output=True)

    # The system's own configuration would add extensions.
    (folder / "config").write_text("[req]\ndistinguished_name=name\n[name]\n")
    sign("authority", "-addext", "basicConstraints=critical,CA:TRUE")
    for name in ("server", "client"):
        sign(name, "-addext", "subjectAltName=IP:127.0.0.1", "-CA", folder / "authority.crt", "-CAkey", folder / "authority.key")


class Examples(support.TestCase):
    def serve(self, name, *arguments):
        """A server, ready."""
        grape = self.start(support.Grape)
        process = self.start(support.Process, EXAMPLES / name, grape.url, *arguments)
        process.wait_line(lambda line: line.startswith("listening on port "))
        return grape, process

    def call(self, name, grape, *arguments):
        """What a client says."""
        result = subprocess.run([EXAMPLES / name, grape.url, *arguments], capture_output=True, text=True,
                                timeout=support.LIMIT_S, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_the_readme_shows_them_as_they_are(self):
        blocks = dict(re.findall(r"`(?:proto/grenache/rpc/)?examples/(\w+\.cpp)`[^\n]*\n\n((?:    [^\n]*\n|\n)+)",
                                 (ROOM / "README.md").read_text()))
        self.assertEqual(sorted(blocks), ["client.cpp", "service.cpp"])
        for name, block in blocks.items():
            text = re.sub("^    ", "", block, flags=re.M).strip("\n") + "\n"
            self.assertEqual(text, (ROOM / "examples" / name).read_text(), name)

    def test_the_service_of_the_readme_answers_its_client(self):
        grape = self.start(support.Grape)
        service = self.start(support.Process, EXAMPLES / "service", grape.url)
        grape.wait_found("rpc_test")
        self.assertEqual(self.call("client", grape), '"hello"\n')
        self.assertEqual(service.stop()[0], 0)

    def test_requests_and_maps(self):
        for transport in ("http", "ws"):
            grape, server = self.serve("rpc_server", transport)
            self.assertRegex(self.call("rpc_client", grape, transport), r"^1000 requests in \d+ ms\n$")
            self.assertRegex(self.call("rpc_client_map", grape, transport), r'^(127\.0\.0\.1:\d+: "world"\n){10}$')
            self.assertEqual(server.stop()[0], 0)

    def test_streams(self):
        grape, server = self.serve("rpc_server_stream")
        self.assertRegex(self.call("rpc_client_stream", grape), r'^response \["[-0-9a-f]{36}",null,"world"\]\n$')
        server.wait_line(lambda line: line.startswith("action uploadNewPublicStream"))
        self.assertEqual(server.stop()[0], 0)
        self.assertIn("hello", server.lines)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            try:
                make_certificates(folder)
            except (OSError, subprocess.CalledProcessError) as error:
                self.skipTest(f"openssl cannot make certificates: {error}")
            grape, server = self.serve(
                "ssl_server", folder / "server.crt", folder / "server.key", folder / "authority.crt")
            said = self.call("ssl_client_map", grape, folder / "client.crt", folder / "client.key", folder / "authority.crt")
            self.assertRegex(said, r'^127\.0\.0\.1:\d+: "world"\n$')
            server.wait_line(lambda line: line.startswith("CN=client "))
            self.assertEqual(server.stop()[0], 0)

    def test_pub_and_sub(self):
        grape, publisher = self.serve("pub")
        subscriber = self.start(support.Process, EXAMPLES / "sub", grape.url)
        subscriber.wait_line(lambda line: line == "connected")
        for _ in range(3):
            subscriber.wait_line(lambda line: line == "world")
        self.assertEqual(publisher.stop()[0], 0)
        self.assertEqual(subscriber.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
