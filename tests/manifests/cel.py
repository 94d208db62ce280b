# SPDX-License-Identifier: Apache-2.0
"""As much of CEL, the language of admission policies, as the chart's expressions use: has(), all(), exists(), in, ==, !=, !, && and ||.
A field that is missing is an error, as in CEL; && and || forgive an error where the other side decides. Anything else is refused."""

import re

TOKEN = re.compile(r"\s*(?:(?P<text>'[^']*')|(?P<name>[A-Za-z_]\w*)|(?P<sign>&&|\|\||==|!=|[!().,\[\]]))")


class CelError(Exception):
    pass


class _Parser:
    """Makes a function of the variables out of an expression."""

    def __init__(self, expression):
        self.tokens, at = [], 0
        expression = expression.strip()
        while at < len(expression):
            found = TOKEN.match(expression, at)
            if not found:
                raise SyntaxError(f"CEL: {expression[at:at + 20]!r}")
            self.tokens.append(found.group().strip())
            at = found.end()
        self.tokens.append("")
        self.at = 0

    def take(self, *wanted):
        token = self.tokens[self.at]
        if wanted and token not in wanted:
            return None
        self.at += 1
        return token

    def need(self, token):
        if self.take(token) is None:
            raise SyntaxError(f"CEL: {token!r} expected, found {self.tokens[self.at:self.at + 5]}")

    def whole(self):
        result = self.either()
        self.need("")
        return result

    def logic(self, part, sign, decisive):
        parts = [part()]
        while self.take(sign):
            parts.append(part())

        def run(variables):
            error = None
            for one in parts:
                try:
                    if one(variables) is decisive:
                        return decisive
                except CelError as caught:
                    error = caught
            if error:
                raise error
            return not decisive
        return run if len(parts) > 1 else parts[0]

    def either(self):
        return self.logic(self.both, "||", True)

    def both(self):
        return self.logic(self.compared, "&&", False)

    def compared(self):
        left, sign = self.negated(), self.take("==", "!=", "in")
        if not sign:
            return left
        right = self.negated()
        return {"==": lambda v: left(v) == right(v), "!=": lambda v: left(v) != right(v), "in": lambda v: left(v) in right(v)}[sign]

    def negated(self):
        if self.take("!"):
            inner = self.negated()
            return lambda v: not inner(v)
        return self.postfix()

    def postfix(self):
        value = self.single()
        while self.take("."):
            name = self.take()
            value = self.macro(value, name) if name in ("all", "exists") and self.take("(") else self.field(value, name)
        return value

    @staticmethod
    def field(value, name):
        def run(variables):
            holder = value(variables)
            if not isinstance(holder, dict) or name not in holder:
                raise CelError(f"no such key: {name}")
            return holder[name]
        run.parts = (value, name)
        return run

    def macro(self, value, name):
        variable = self.take()
        self.need(",")
        body = self.either()
        self.need(")")
        choose = all if name == "all" else any
        return lambda v: choose(body({**v, variable: item}) for item in value(v))

    def single(self):
        if self.take("("):
            inner = self.either()
            self.need(")")
            return inner
        if self.take("["):
            items = []
            while not self.take("]"):
                items.append(self.either())
                self.take(",")
            return lambda v: [item(v) for item in items]
        token = self.take()
        if token == "has":
            self.need("(")
            holder, name = self.postfix().parts
            self.need(")")
            return lambda v: name in holder(v)
        if token[:1] == "'":
            return lambda v: token[1:-1]
        if not re.fullmatch(r"[A-Za-z_]\w*", token):
            raise SyntaxError(f"CEL: {token!r}")

        def run(variables):
            if token not in variables:
                raise CelError(f"undeclared reference to {token}")
            return variables[token]
        return run


def evaluate(expression, **variables):
    return _Parser(expression).whole()(variables)
