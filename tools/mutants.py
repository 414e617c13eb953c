"""Finds the places of a C++ file that tools/mutate changes, and writes the file with changes that a switch selects.

Works on the tokens of formatted code (clang-format): operators with two operands have blanks on both sides, templates
have none. What is not understood is left alone; what does not compile is found by the compiler.
"""
import bisect
import dataclasses
import re

from lint import code_only

HEADER_WORDS = ("if", "while", "for", "switch")
OPPOSITE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+": "-", "-": "+",
            "true": "false", "false": "true"}
OPERATOR = re.compile(r"(?<=\s)(<=|>=|==|!=|<|>|&&|\|\||\+|-)(?=\s)|\b(true|false)\b|(?<![\w.'<])(\d(?:[\d']*\d)?)(?![\w.'>])")
CLASS_HEAD = re.compile(r"^(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|union|enum|extern)\b[^()=]*$", re.S)
FUNCTION_TAIL = re.compile(r"\)\s*(const|noexcept|override|final|mutable|->[\w\s:<>,&*]+|\s)*$")
LEFT_ALONE = re.compile(r"^(using|typedef|static_assert|static|constexpr|friend|break|continue|GRN_CHECK|__builtin_prefetch|co_\w+)\b")
FOR_SPEED = re.compile(r"\.reserve\(")  # calls without an effect that a test could see
# Two names in a row: a type and what is declared.
DECLARATION = re.compile(r"^(const\s+)?[A-Za-z_][\w:]*(<[^;=]*?>)?(::\w+)*(\s+const)?([&*]+|\s)(\s*[&*]*\s*(const\s+)?)\w+\s*(=(?!=)|;|\{|\()")
REFERENCE = re.compile(r"^[^=]*&[^=]*=")
IN_CONDITION = re.compile(r"^\s*[\w:<>,]+(\s+const)?[\s&*]+(const\s+)?(\w+|\[[\w, ]+\])\s*=(?!=)")


@dataclasses.dataclass
class Host:
    """What is written again for each of its mutants: a condition, the value of a declaration, or a statement."""
    kind: str  # "condition", "value" or "statement"
    start: int
    end: int
    block: int  # the innermost block of statements


@dataclasses.dataclass
class Mutant:
    source: "Source"
    host: Host
    start: int  # what `text` replaces
    end: int
    text: str
    change: str

    @property
    def key(self):
        return f"{self.source.name}:{self.start}:{self.end}:{self.text}"

    @property
    def line(self):
        return self.source.text.count("\n", 0, self.start) + 1


@dataclasses.dataclass
class Open:
    bracket: str
    kind: str  # of {: "code", "class" or "value"
    start: int
    header: str = ""  # of (: if, while, for or switch
    is_lambda: bool = False
    statement: int = -1  # of code: where the present statement begins
    after: str = ""  # of code: the header before it
    is_alone: bool = False  # code that no test means to look at


class Source:
    def __init__(self, name, text):
        self.name = name
        self.text = text
        self.code = code_only(text)
        # The same length as the code, without comments, but with literals.
        self.plain = "".join(c if d != " " or c in " \n" else " " for c, d in zip(text, self._without_comments(text)))
        self.hosts = []
        self.mutants = []
        self.blocks = [(0, -1)]  # (position, block that begins or goes on there)
        self._find_hosts()
        self._find_mutants()

    @staticmethod
    def _without_comments(text):
        pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'', re.S)
        return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)) if m.group(0)[0] == "/" else "x" * len(m.group(0)), text)

    # Hosts

    def _find_hosts(self):
        code, stack, boundary = self.code, [Open("{", "class", 0)], 0
        for match in re.finditer(r"[(){}\[\];:]|\w+|\S", code):
            at, token, top = match.start(), match.group(0), stack[-1]
            if top.kind == "code" and top.statement < 0 and token not in "};:":
                if token in ("else", "do") or (token in ("case", "default") and top.bracket == "{"):
                    top.after = token
                    continue
                if top.after in ("case", "default"):
                    continue
                top.statement = at
            if token == ":" and top.kind == "code" and top.after in ("case", "default") and top.statement < 0:
                if code[at + 1:at + 2] != ":" and code[at - 1] != ":":
                    top.after = ""
            elif token in "([":
                stack.append(Open(token, "", at, self._header_before(at) if token == "(" else ""))
            elif token in ")]":
                closed = stack.pop()
                if closed.header and stack[-1].kind == "code":
                    self._condition(closed, at)
                    stack[-1].statement, stack[-1].after = -1, closed.header
            elif token == "{":
                head = code[max(boundary, top.statement if top.kind == "code" else 0):at]
                stack.append(self._open_brace(at, head.strip(), top))
                if stack[-1].kind == "code":
                    self.blocks.append((at, at))
                if stack[-1].kind != "value":
                    boundary = at + 1
            elif token == "}":
                closed = stack.pop()
                if closed.kind == "code":
                    self.blocks.append((at, self._block_of(stack)))
                if closed.kind == "code" and not closed.is_lambda and stack[-1].kind in ("code", "class"):
                    stack[-1].statement, stack[-1].after, boundary = -1, "", at + 1
                elif closed.kind == "class":
                    boundary = at + 1
            elif token == ";" and top.bracket == "{":
                if top.kind == "code" and top.statement >= 0:
                    self._statement(top, at + 1, any(open.is_alone for open in stack))
                top.statement, top.after, boundary = -1, "", at + 1

    @staticmethod
    def _block_of(stack):
        return next((open.start for open in reversed(stack) if open.kind == "code"), -1)

    def _header_before(self, at):
        words = self.code[:at].rstrip().rsplit(None, 1)
        word = re.search(r"(\w+)$", words[-1]) if words else None
        return word.group(1) if word and word.group(1) in HEADER_WORDS else ""

    def _open_brace(self, at, head, top):
        before = self.code[:at].rstrip()
        last = before[-1:]
        if CLASS_HEAD.match(head):
            return Open("{", "value" if head.startswith("enum") else "class", at)
        is_alone = "constexpr" in head or re.search(r"\bcheck(_below|_level)?\([^()]*\) const", head) is not None
        if last == "]":
            opened = self._opening(len(before) - 1)
            is_lambda = re.search(r"[\w\])]\s*$", self.code[:opened]) is None
            return Open("{", "code" if is_lambda else "value", at, is_lambda=is_lambda)
        if FUNCTION_TAIL.search(before[-200:]):
            close = before.rfind(")")
            is_lambda = self.code[:self._opening(close)].rstrip()[-1:] == "]"
            return Open("{", "code", at, is_lambda=is_lambda, is_alone=is_alone)
        if re.search(r"\b(else|do|try)$", before) or (top.kind == "class" and last == "}"):
            return Open("{", "code", at)
        if top.kind == "code" and last in "{};:":
            return Open("{", "code", at)
        return Open("{", "value", at)

    def _opening(self, close):
        """The index of the bracket that the one at `close` closes."""
        pairs, depth = {")": "(", "]": "["}, 0
        for i in range(close, -1, -1):
            if self.code[i] == self.code[close]:
                depth += 1
            elif self.code[i] == pairs[self.code[close]]:
                depth -= 1
                if depth == 0:
                    return i
        return 0

    def _condition(self, opened, end):
        start, text = opened.start + 1, self.code[opened.start + 1:end]
        if opened.header == "switch" or self.code[:opened.start].rstrip().endswith("constexpr"):
            return
        parts = self._split(text)
        if opened.header == "for":
            if len(parts) != 3 or not text[parts[1][0]:parts[1][1]].strip():
                return
            start, end = start + parts[1][0], start + parts[1][1]
        elif len(parts) == 2:
            start = start + parts[1][0]
        if not IN_CONDITION.match(self.code[start:end]):
            self._add_host("condition", start, end)
            operators = [found.group(1) for found in OPERATOR.finditer(self.code, start, end)]
            if opened.header != "for" and operators not in (["=="], ["!="]):  # or it is the same as the other operator
                self._add(self.hosts[-1], start, end, f"!({self.plain[start:end].strip()})", "condition negated")

    @staticmethod
    def _split(text):
        parts, depth, start = [], 0, 0
        for i, c in enumerate(text):
            depth += (c in "([{") - (c in ")]}")
            if c == ";" and depth == 0:
                parts.append((start, i))
                start = i + 1
        return parts + [(start, len(text))]

    def _statement(self, top, end, is_alone):
        start, code = top.statement, self.code[top.statement:end]
        if is_alone or LEFT_ALONE.match(code) or code.startswith(("struct ", "class ", "enum ")):
            return
        if code.startswith("return"):
            self._add_host("statement", start, end)
            following = re.match(r"\s*(\w*)", self.code[end:]).group(1)
            if top.after == "if" and following != "else":
                self._add(self.hosts[-1], start, end, ";", "early return left out")
            return
        if DECLARATION.match(code) or re.match(r"^(const )?auto\b", code):
            value = re.search(r"[^=!<>]=(?!=)\s*", code)
            is_list = value and code[value.end():value.end() + 1] in "{["
            if value and not is_list and not REFERENCE.match(code[:value.end()]):
                self._add_host("value", start + value.end(), end - 1)
            return
        self._add_host("statement", start, end)
        is_call = re.match(r"^[\w:.>\[\]()*-]+\(", code) and code.endswith(");") and not FOR_SPEED.search(code)
        if is_call and not re.search(r"(?<=\s)(=|\+=|-=)(?=\s)", self._outside_brackets(code)):
            self._add(self.hosts[-1], start, end, ";", "call left out")

    @staticmethod
    def _outside_brackets(code):
        out, depth = [], 0
        for c in code:
            depth += (c in "([{")
            out.append(c if depth == 0 else "_")
            depth -= (c in ")]}")
        return "".join(out)

    def _add_host(self, kind, start, end):
        self.hosts.append(Host(kind, start, end, self._block_at(start)))

    def _block_at(self, at):
        return self.blocks[bisect.bisect_right(self.blocks, (at, 1 << 40)) - 1][1]

    # Mutants

    def _add(self, host, start, end, text, change):
        line = " ".join(self.plain[start:end].split())
        self.mutants.append(Mutant(self, host, start, end, text, f"{change}: {line}"))

    def _find_mutants(self):
        by_block = {}
        for host in self.hosts:
            by_block.setdefault(host.block, []).append(host)
        for match in OPERATOR.finditer(self.code):
            start, end, token = match.start(), match.end(), match.group(0)
            around = [host for host in by_block.get(self._block_at(start), []) if host.start <= start and end <= host.end]
            if not around or self.text[start:end] != token:
                continue
            host = min(around, key=lambda host: host.end - host.start)
            if token in ("+", "-") and '"' in self.plain[host.start:host.end]:
                continue  # most likely texts that are joined
            line = self.plain[self.plain.rfind("\n", 0, start) + 1:].split("\n", 1)[0]
            if match.group(3):
                number = int(token.replace("'", ""))
                for other in {number + 1, max(number - 1, 0)} - {number}:
                    self.mutants.append(Mutant(self, host, start, end, str(other), f"{token} -> {other} in: {line.strip()}"))
            else:
                self.mutants.append(Mutant(self, host, start, end, OPPOSITE[token], f"{token} -> {OPPOSITE[token]} in: {line.strip()}"))

    # Writing

    def with_mutants(self, mutants):
        """The text with the mutants, by id; without comments, and each changed host in one line."""
        by_host = {}
        for id, mutant in mutants.items():
            by_host.setdefault((mutant.host.start, mutant.host.end), []).append((id, mutant))
        self._by_host = by_host
        return self._write(0, len(self.plain), None, None)

    def _write(self, start, end, skipped, change):
        """The text from `start` to `end` with the hosts in it rewritten, but not the host `skipped`, and `change` made."""
        inner = sorted((host for host in self._by_host if start <= host[0] and host[1] <= end and host != skipped),
                       key=lambda host: (host[0], -host[1]))
        out, at = [], start
        for host in inner:
            if host[0] < at or (change and host[0] < change.end and change.start < host[1]):
                continue
            out += [self._changed(at, host[0], change), self._host(host)]
            at = host[1]
        return "".join(out) + self._changed(at, end, change)

    def _changed(self, start, end, change):
        if not change or not (start <= change.start and change.end <= end):
            return self.plain[start:end]
        return self.plain[start:change.start] + change.text + self.plain[change.end:end]

    def _host(self, host):
        mutants = self._by_host[host]
        kind = mutants[0][1].host.kind
        versions = [(id, self._write(*host, host, mutant)) for id, mutant in mutants]
        last = self._write(*host, host, None)
        if kind == "statement":
            text = "".join(f"if (GRN_MUTANT({id})) {{ {version} }} else " for id, version in versions)
            text = f"{{ {text}{{ {last} }} }}"
        else:
            cast = "static_cast<bool>" if kind == "condition" else ""
            text = "".join(f"GRN_MUTANT({id}) ? {cast}({version}) : " for id, version in versions)
            text = f"{text}{cast}({last})"
        return " ".join(text.split("\n"))
