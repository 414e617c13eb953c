#!/usr/bin/env python3
"""Checks what no compiler warning says: layers, banned calls, layout, and statements that g++ 12 miscompiles.

    tools/lint.py              checks the repository; one `file:line: message` each; exit 1 if there are any
    tools/lint.py --self-test  checks the checks

g++ 12.2 destroys some temporaries twice in a statement that contains co_await, so such a statement has no `?:`, no
lambda that captures by value and no braces that build an object: name it in a statement before. No condition begins
with co_await either: one that compared its result was compiled to a crash. For the same reason a function that returns
an awaitable has no default arguments of class type.
"""
import os
import re
import subprocess
import sys

LINE_LENGTH_MAX = 120
CPP = (".hpp", ".cpp")

# Folders without sockets, threads and clocks.
PURE = ("grape/core/", "exchange/core/", "proto/grenache/base/", "proto/grenache/dht/", "proto/grenache/json/", "exchange/messages/",
        "exchange/ledger/accounts", "exchange/ledger/ledger.", "exchange/ledger/ledger_transfers", "exchange/ledger/refusals", "exchange/ledger/transfer_rows")
# (files it concerns, files it spares, included path, message)
INCLUDE_RULES = [
    (("",), ("proto/grenache/json/json.cpp",), r"rapidjson/", "only proto/grenache/json/json.cpp includes RapidJSON"),
    (PURE, (), r"boost/(asio|beast)", "this folder holds no I/O: Asio and Beast belong to shells"),
    (("exchange/",), (), r"grape/", "exchange/ speaks to a grape over HTTP and never includes grape/"),
    (("grape/",), (), r"exchange/", "grape/ knows nothing of exchange/"),
    (("proto/",), (), r"(grape|exchange)/", "proto/ lies below grape/ and exchange/"),
    (("",), (), r"proto/", "the include root of proto/ is proto/ itself: <grenache/…>"),
    (("",), ("tests/",), r"tests/", "only tests include tests/"),
]
# (files spared, pattern in code, message)
BANNED_CODE = [
    ((), r"\b(sleep_for|sleep_until|usleep)\b", "nothing waits for time: wait for a condition"),
    ((), r"\bstd::\w+_distribution\b", "the result differs between libraries: use Random::below"),
    ((), r"\bassert\s*\(", "assert vanishes in release builds: use GRN_CHECK"),
    ((), r"\bs?rand\s*\(", "use Random"),
    (("proto/grenache/net/steady_clock.hpp", "tests/"), r"\b(system|steady)_clock::now\b",
     "time is handed in; only proto/grenache/net/steady_clock.hpp reads a clock"),
    (("proto/grenache/base/time.hpp", "tests/"), r"\b(\w*now\(\)|(\w+_)?begun_?)\s*\+(?![+=])",
     "overflows with Duration::max(): use later_by or steady_deadline"),
    (("tests/",), r"\basio::detached\b", "swallows exceptions: use net::kRethrow or a TaskGroup"),
]
BANNED_IN_CPP_TEXT = [(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", "finish it or leave it out")]
BANNED_IN_ANY_TEXT = [
    (r"(?<![\w.])/(wor" r"k|roo" r"t|tmp/w" r"t)/", "path of one machine"),
    (r"registry\.npm" r"js", "names a registry host"),
]
BANNED_IN_LOCK_FILES = [(r'"resol' r'ved":', "names a host: npm install --omit-lockfile-registry-resolved")]

# What has nothing to destroy.
SCALARS = re.compile(r"^(const\s+|constexpr\s+)*(std::chrono::\w+|(grenache::)?(Duration|TimePoint|WallTime)|"
                     r"(std::)?(bool|char|short|int|unsigned|long|float|double|size_t|"
                     r"u?int(8|16|32|64)_t))(\s+(const|int|long))*$")


# Text

def blank(text):
    return re.sub(r"[^\n]", " ", text)


LITERALS = re.compile(
    r'//[^\n]*|/\*.*?\*/'
    r'|R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'", re.S)


def code_only(text):
    """The same text with comments, literals and preprocessor lines blanked: same length, same lines."""
    def replace(match):
        found = match.group(0)
        if found.startswith("/"):
            return blank(found)
        return found[0] + blank(found[1:-1]) + found[-1]
    text = LITERALS.sub(replace, text)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda match: blank(match.group(0)), text, flags=re.M)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def closing(text, at):
    """Index of the bracket that closes the one at `at`, or the end."""
    pairs = {"(": ")", "[": "]", "{": "}", "<": ">"}
    opening, close, depth = text[at], pairs[text[at]], 0
    for i in range(at, len(text)):
        if text[i] == opening:
            depth += 1
        elif text[i] == close and text[i - 1:i + 1] != "->":
            depth -= 1
            if depth == 0:
                return i
    return len(text) - 1


def split_top_level(text, separator):
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "([{<":
            depth += 1
        elif c in ")]}" or (c == ">" and text[i - 1:i] != "-"):
            depth -= 1
        elif c == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return parts + [text[start:]]


# Statements

LAMBDA_HEAD = re.compile(r"\][\s\x02]*(\x02)?\s*(mutable|noexcept|constexpr|\s)*(->[\w\s:<>,&*]+)?$")
TYPE_HEAD = re.compile(r"^\s*(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|union|enum|extern)\b[^=()]*$",
                       re.S)


def without_groups(head):
    """`head` with each (...) and <...> template list behind a lambda made one mark, so that patterns see the ends."""
    out, depth = [], 0
    for c in head:
        if c == "(":
            depth += 1
            if depth == 1:
                out.append("\x02")
        elif c == ")":
            depth = max(0, depth - 1)
        elif depth == 0:
            out.append(c)
    return "".join(out)


def open_tail(head):
    """The part of `head` after its last unclosed parenthesis."""
    depth = 0
    for i in range(len(head) - 1, -1, -1):
        if head[i] in ")}":
            depth += 1
        elif head[i] in "({":
            if depth == 0:
                return head[i + 1:]
            depth -= 1
    return head


def brace_kind(head):
    """What the brace after `head` opens: a `lambda` body, another `block`, or an `object`."""
    inside = open_tail(head)
    tail = without_groups(inside).rstrip()
    if LAMBDA_HEAD.search(tail) and not re.search(r"\bauto[\s\w&]*\[[^\]]*\]$", tail):
        return "lambda"
    if len(inside) < len(head):
        return "object"
    if not head.strip() or TYPE_HEAD.match(head):
        return "block"
    if re.search(r"(\x02|[}:;])\s*((const|noexcept|override|final|mutable|try|&)\s*)*(->[\w\s:<>,&*]+)?$", tail):
        return "block"
    if re.search(r"\b(else|do|try)$", tail):
        return "block"
    return "object"


def statements(code):
    """Yields (index, text) of each statement, and of each head of a block. In the text of a statement the body of a
    lambda is left out: its statements come on their own."""
    stack = []  # what each open brace is, with the text of the statement around it when it goes on behind it
    text, start, parentheses = "", 0, 0
    for at, c in enumerate(code):
        if not text.strip():
            start = at
        if c == "{":
            kind = brace_kind(text)
            if kind == "object":
                stack.append((kind, None))
                text += c
                continue
            if kind == "lambda":
                stack.append((kind, (text, start, parentheses)))
            else:
                yield start, text
                stack.append((kind, None))
            text, parentheses = "", 0
        elif c == "}" and stack:
            kind, outer = stack.pop()
            if kind == "object":
                text += c
                continue
            if text.strip():
                yield start, text
            text, parentheses = "", 0
            if kind == "lambda":
                text, start, parentheses = outer
                text += " "
        elif c == ";" and parentheses == 0:
            yield start, text
            text = ""
        else:
            parentheses += (c == "(") - (c == ")")
            text += c
    if text.strip():
        yield start, text


def capturing_lambda(text):
    """True when a lambda in the statement captures by value."""
    for match in re.finditer(r"\[", text):
        before = text[:match.start()].rstrip()
        is_keyword = re.search(r"\b(return|co_await|co_return|co_yield)$", before)
        is_binding = re.search(r"\bauto(\s+const)?\s*&{0,2}$", before)
        if text[match.start() - 1:match.start()] == "[" or text[match.end():match.end() + 1] == "[":
            continue  # an attribute
        if is_binding or (re.search(r"[\w)\]]$", before) and not is_keyword):
            continue  # names of a structured binding, or a subscript
        captures = text[match.end():closing(text, match.start())]
        for capture in (part.strip() for part in split_top_level(captures, ",")):
            if capture and capture != "this" and (not capture.startswith("&") or "=" in capture):
                return True
    return False


def building_braces(text):
    """True when braces in the statement build something other than a number."""
    for match in re.finditer(r"\{", text):
        named = re.search(r"(?:[\w:]|<[^<>]*>)+$", text[:match.start()])
        if not named or not SCALARS.match(named.group(0)):
            return True
    return False


def check_coroutines(code):
    for start, text in statements(code):
        if not re.search(r"\bco_await\b", text):
            continue
        line = line_of(code, start)
        if "?" in text:
            yield line, "?: in a statement with co_await (g++ 12 destroys its operands twice)"
        if capturing_lambda(text):
            yield line, "capturing lambda in a statement with co_await (g++ 12 destroys it twice): name it first"
        if building_braces(text):
            yield line, "braces build an object in a statement with co_await (g++ 12 destroys it twice): name it first"
    for match in re.finditer(r"\b(?:if|while|switch)\s*\(\s*!?\s*\(*\s*co_await\b", code):
        yield line_of(code, match.start()), "a condition begins with co_await (g++ 12 miscompiles some): name its result first"
    for match in re.finditer(r"\b[Aa]waitable\s*(<)", code):
        declared = re.match(r"\s*[\w:]+\s*\(", code[closing(code, match.start(1)) + 1:])
        if not declared:
            continue
        opening = closing(code, match.start(1)) + declared.end()
        for parameter in split_top_level(code[opening + 1:closing(code, opening)], ","):
            declarator, *default = split_top_level(parameter, "=")
            kind = re.sub(r"\s*\w+\s*$", "", declarator).strip()
            if default and "*" not in kind and not SCALARS.match(kind):
                yield (line_of(code, opening),
                       f"default argument of class type `{kind}` on a coroutine (g++ 12 destroys it twice)")


# Files

def concerns(path, files):
    return any(path.startswith(prefix) for prefix in files)


def check_cpp(path, text):
    lines = text.split("\n")
    code = code_only(text)
    if path.endswith(".hpp") and "#pragma once" not in lines:
        yield 1, "#pragma once is missing"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LENGTH_MAX:
            yield number, f"line has {len(line)} characters, at most {LINE_LENGTH_MAX} are allowed"
        if "\t" in line:
            yield number, "tab"
        if line != line.rstrip():
            yield number, "blank at the end of the line"
        included = re.match(r'\s*#\s*include\s*[<"]([^>"]+)', line)
        for files, spared, pattern, message in INCLUDE_RULES if included else []:
            if concerns(path, files) and not concerns(path, spared) and re.match(pattern, included.group(1)):
                yield number, message
        for pattern, message in BANNED_IN_CPP_TEXT:
            if found := re.search(pattern, line):
                yield number, f"{found.group(0)}: {message}"
    for number, line in enumerate(code.split("\n"), 1):
        for spared, pattern, message in BANNED_CODE:
            found = re.search(pattern, line)
            if found and not concerns(path, spared):
                yield number, f"{found.group(0)}: {message}"
    yield from check_coroutines(code)


def check(path, text):
    """Yields (line, message) of all that is wrong with a file; `path` is relative to the repository."""
    if path.endswith(CPP):
        yield from check_cpp(path, text)
    rules = list(BANNED_IN_ANY_TEXT)
    if re.search(r"lock[^/]*\.(json|yaml|yml)$|\.lock$", path):
        rules += BANNED_IN_LOCK_FILES
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, message in rules:
            if re.search(pattern, line):
                yield number, message


def files_of(root):
    """All files that git knows or would add; without git, all but build folders."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if git.returncode == 0:
        return sorted(name for name in git.stdout.decode().split("\0") if name)
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in ("build", "node_modules", "__pycache__", ".git")]
        names += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return sorted(names)


def check_repository(root):
    findings = 0
    for path in files_of(root):
        try:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = file.read()
        except (UnicodeDecodeError, FileNotFoundError):
            if path.endswith(CPP) and os.path.exists(os.path.join(root, path)):
                print(f"{path}:1: not UTF-8")
                findings += 1
            continue
        for line, message in check(path, text):
            print(f"{path}:{line}: {message}")
            findings += 1
    return findings


# Self-test

# (path, text, part of the expected message or None when the text is fine)
SNIPPETS = [
    ("a.cpp", "f() { auto x = c ? co_await a() : b(); }\n", "?:"),
    ("a.cpp", "f() { co_await (c ? a() : b()); }\n", "?:"),
    ("a.cpp", "f() { if (c ? co_await a() : d) { g(); } }\n", "?:"),
    ("a.cpp", "f() { auto x = c ? 1 : 2; co_await a(x); }\n", None),
    ("a.cpp", "f() { if (co_await a() == b) co_return; }\n", "condition begins with co_await"),
    ("a.cpp", "f() { while (!co_await a()) g(); }\n", "condition begins with co_await"),
    ("a.cpp", "f() { while (auto const x = co_await a()) g(); if (b) co_await a(); }\n", None),
    ("a.cpp", "f() { co_await g([s] { return s; }); }\n", "capturing lambda"),
    ("a.cpp", "f() { co_await g([=] { return s; }); }\n", "capturing lambda"),
    ("a.cpp", "f() { co_await g([s = move(t)]() mutable -> awaitable<void> { co_return; }); }\n", "capturing lambda"),
    ("a.cpp", "f() { co_await g([&s = t, u] { return s; }, k); }\n", "capturing lambda"),
    ("a.cpp", "f() { co_await g([&, this] { return s; }, [] { return 1; }, [&s](int) { return s; }); }\n", None),
    ("a.cpp", "f() { co_spawn(e, [self] { return self->run(); }, detached); co_await g(); }\n", None),
    ("a.cpp", "f() { co_spawn(e, [self]() -> awaitable<void> { co_await self->run(); }, detached); }\n", None),
    ("a.cpp", "f() { auto const [e, n] = co_await read(b[i], kTuple); }\n", None),
    ("a.cpp", "f() { if (auto [e] = co_await read(kTuple); e) { g(X{1}); } }\n", None),
    ("a.cpp", "f() { co_await g(Agg{1, s}); }\n", "braces"),
    ("a.cpp", "f() { co_await g({.name = s}); }\n", "braces"),
    ("a.cpp", "f() { co_await g({s1, s2}); }\n", "braces"),
    ("a.cpp", "f() { co_await Obj{s}.run(); }\n", "braces"),
    ("a.cpp", "f() { co_return Agg{x, co_await g()}; }\n", "braces"),
    ("a.cpp", "f() { co_await h([&] { return Agg{1}; }); }\n", None),
    ("a.cpp", "f() { while (true) { co_await g(std::uint64_t{1}, std::chrono::seconds{2}); } }\n", None),
    ("a.cpp", "f() { for (auto const& x : {a(), b()}) { C c{1}; co_await g(x); } }\n", None),
    ("a.cpp", "f() {\n  Agg agg{1, s};\n  co_await g(std::move(agg));\n}\n", None),
    ("a.cpp", "struct S { int a{1}; };\nS::S() : a_{x} { g(); }\nf() { co_await g(); }\n", None),
    ("a.cpp", "f() { co_await g(\"c ? a : b {}\"); /* ? */ }\n", None),
    ("a.cpp", "f() { switch (k) { case 1: { X x{1}; break; } default: co_await g(); } }\n", None),
    ("a.cpp", "awaitable<void> f(int a, Options o = {});\n", "default argument"),
    ("a.cpp", "awaitable<Result<std::vector<int>>> C::f(std::string s = std::string(\"a\")) {}\n", "default argument"),
    ("a.hpp", "#pragma once\n[[nodiscard]] Awaitable<> f(int a, Options o = {});\n", "default argument"),
    ("a.cpp", "awaitable<void> f(int a = 3, TimePoint t = TimePoint::max(), char const* p = nullptr);\n", None),
    ("a.cpp", "std::string f(Options o = {});\n", None),
    ("proto/grenache/rpc/a.cpp", "#include <rapidjson/reader.h>\n", "RapidJSON"),
    ("proto/grenache/json/json.cpp", "#include <rapidjson/reader.h>\n", None),
    ("grape/core/a.cpp", "#include <boost/asio/ip/udp.hpp>\n", "no I/O"),
    ("exchange/messages/a.cpp", "#include <boost/beast/http.hpp>\n", "no I/O"),
    ("proto/grenache/base/a.cpp", "#include <boost/system/result.hpp>\n", None),
    ("grape/a.cpp", "#include <boost/asio.hpp>\n", None),
    ("exchange/a.cpp", "#include \"grape/core/node.hpp\"\n", "never includes grape/"),
    ("proto/grenache/net/a.cpp", "#include \"exchange/core/book.hpp\"\n", "lies below"),
    ("exchange/a.cpp", "#include \"exchange/messages/bolt11.hpp\"\n", None),
    ("grape/a.cpp", "#include \"tests/support/x.hpp\"\n", "only tests"),
    ("tests/a.cpp", "#include \"tests/support/x.hpp\"\n#include \"grape/core/node.hpp\"\n", None),
    ("a.hpp", "int f();\n", "#pragma once"),
    ("a.hpp", "// What it is.\n#pragma once\nint f();\n", None),
    ("a.cpp", "//" + "x" * 119 + "\n", "121 characters"),
    ("a.cpp", "//" + "é" * 118 + "\n", None),
    ("a.cpp", "\tint a;\n", "tab"),
    ("a.cpp", "int a; \n", "blank"),
    ("a.cpp", "int a;", "newline"),
    ("a.cpp", "f() { std::this_thread::sleep_for(1s); }\n", "sleep_for"),
    ("a.cpp", "std::uniform_int_distribution<int> d;\n", "distribution"),
    ("a.cpp", "f() { assert(x); }\n", "assert"),
    ("a.cpp", "static_assert(true);\n// a comment may say assert(x) and rand()\n", None),
    ("a.cpp", "int a = rand();\n", "rand"),
    ("a.cpp", "// TO" "DO: later\n", "TO" "DO"),
    ("grape/a.cpp", "auto t = std::chrono::steady_clock::now();\n", "reads a clock"),
    ("tests/a.cpp", "auto t = std::chrono::steady_clock::now();\n", None),
    ("grape/a.cpp", "auto t = net::steady_now() + limit;\n", "overflows"),
    ("grape/a.cpp", "set(write_begun_ + write_max);\n", "overflows"),
    ("grape/a.cpp", "auto t = net::steady_now() - begun_;\nbegun_ += t;\n", None),
    ("tests/a.cpp", "auto t = net::steady_now() + 20s;\n", None),
    ("grape/a.cpp", "asio::co_spawn(io, stop(), asio::detached);\n", "swallows"),
    ("tests/a.cpp", "asio::co_spawn(io, stop(), asio::detached);\n", None),
    ("proto/grenache/net/steady_clock.hpp", "#pragma once\nauto t = std::chrono::system_clock::now();\n", None),
    ("README.md", "see /wor" "k/main\n", "path of one machine"),
    ("README.md", "see https://example.org/docs/wor" "k/main\n", None),
    ("package-lock.json", '  "resol' 'ved": "https://example.org/a.tgz"\n', "names a host"),
    ("x.json", "https://registry.npm" "js.org\n", "registry host"),
]


def self_test():
    failures = 0
    for path, text, expected in SNIPPETS:
        messages = [message for _, message in check(path, text)]
        good = not messages if expected is None else len(messages) == 1 and expected in messages[0]
        if not good:
            print(f"{path}: {text!r}\n  expected {expected!r}, got {messages}")
            failures += 1
    lines = [line for line, _ in check("a.cpp", "int a;\nf()\n{\n  g();\n  co_await h(\n      X{1});\n}\n")]
    if lines != [5]:
        print(f"expected line 5, got {lines}")
        failures += 1
    print(f"{len(SNIPPETS) + 1} snippets, {failures} failures")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test() else 0
    if sys.argv[1:]:
        print(__doc__)
        return 2
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return 1 if check_repository(root) else 0


if __name__ == "__main__":
    sys.exit(main())
