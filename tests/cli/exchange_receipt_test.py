"""`exchange verify-receipt` with a genuine receipt (golden/credit_receipt.json, see unit_exchange_receipt) and others."""

import json
import os
import pathlib
import tempfile
import unittest

from support import TestCase, run

GENUINE = pathlib.Path(__file__).parent.parent / "golden" / "credit_receipt.json"
RECEIPT = json.loads(GENUINE.read_text())


def verify(*arguments, text=""):
    return run("exchange", "verify-receipt", *arguments, text=text)


class VerifyReceipt(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def written(self, text):
        path = self.folder / "receipt.json"
        path.write_text(text)
        return path

    def assert_refused(self, result, *parts):
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertTrue(result.stderr.startswith("exchange verify-receipt: "), result.stderr)
        self.assert_one_line(result.stderr, *parts)

    def test_says_what_a_genuine_receipt_proves(self):
        result = verify(GENUINE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        payer, payee = RECEIPT["payer"], RECEIPT["payee"]
        self.assertEqual(result.stdout, (
            "The receipt is valid: both peers have signed it.\n"
            f"{payer} paid {payee} 12.34 USD over their credit line.\n"
            "The payment has the id 00000000-0000-4000-8000-000000000002 and would have expired at 2027-01-15 08:01:00 UTC.\n"
            f"By its two records, {payer} owed {payee} 7.34 USD after it.\n"))

    def test_json_has_the_same(self):
        result = verify("--json", GENUINE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(json.loads(result.stdout), {
            "valid": True, "kind": "pay", "id": "00000000-0000-4000-8000-000000000002", "payer": RECEIPT["payer"],
            "payee": RECEIPT["payee"], "amount": "12.34", "expires": 1800000060000, "owed": "7.34",
            "debtor": RECEIPT["payer"], "creditor": RECEIPT["payee"]})

    def test_reads_stdin(self):
        result = verify("-", text=GENUINE.read_text())
        self.assertEqual((result.returncode, result.stdout), (0, verify(GENUINE).stdout))
        self.assert_refused(verify("-"), "stdin proves nothing: malformed receipt")

    def test_a_changed_byte_is_refused(self):
        """In each part of the receipt; the unit test of verify_receipt() changes every byte."""
        text = GENUINE.read_text()
        for at in range(0, len(text) - 1, 97):
            with self.subTest(at=at, byte=text[at]):
                self.assert_refused(verify("-", text=text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1:]), "stdin proves nothing: ")

    def test_says_whose_signature_is_missing(self):
        changed = GENUINE.read_text().replace(RECEIPT["low"]["lowSignature"], RECEIPT["low"]["highSignature"])
        path = self.written(changed)
        self.assert_refused(verify(path), f"{path} proves nothing: not signed by both peers of the line")
        result = verify(path, "--json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(json.loads(result.stdout), {"valid": False, "error": {
            "code": "bad-signature", "text": f"{path} proves nothing: not signed by both peers of the line"}})

    def test_other_files_are_refused(self):
        for text in ["", "{}", "[]", "null", "\0", '{"type":"CreditReceipt"}', "[" * 10_000, GENUINE.read_text() * 2]:
            with self.subTest(text=text[:20]):
                self.assert_refused(verify(self.written(text)), "receipt.json proves nothing: malformed receipt")

    def test_a_file_that_is_too_long_is_refused(self):
        text = GENUINE.read_text()
        self.assertEqual(verify(self.written(text + " " * (16384 - len(text)))).returncode, 0)
        self.assert_refused(verify(self.written(text + " " * (16385 - len(text)))), "more than 16384 bytes")
        self.assert_refused(verify("/dev/zero"), "more than 16384 bytes")

    def test_a_file_that_cannot_be_read_is_refused(self):
        missing = self.folder / "none"
        self.assert_refused(verify(missing), f"cannot read {missing}: No such file or directory")
        self.assert_refused(verify(self.folder), f"cannot read {self.folder}: Is a directory")
        self.assert_refused(verify("/proc/self/mem"), "cannot read /proc/self/mem: Input/output error")
        self.assertEqual(json.loads(verify("--json", missing).stdout)["error"]["code"], "unreadable")

    @unittest.skipIf(os.geteuid() == 0, "root reads every file")
    def test_a_file_without_permission_is_refused(self):
        path = self.written(GENUINE.read_text())
        path.chmod(0)
        self.assert_refused(verify(path), f"cannot read {path}: Permission denied")

    def test_wrong_usage_is_exit_code_2(self):
        for arguments in [[], [GENUINE, GENUINE], ["--nonsense", GENUINE]]:
            with self.subTest(arguments=arguments):
                result = verify(*arguments)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assert_one_line(result.stderr, "exchange verify-receipt: ")
        result = verify("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("exchange verify-receipt receipt.json", result.stdout)


if __name__ == "__main__":
    unittest.main()
