"""Paths as straight-line code: the same source, with each op called where it is yielded.

Draining a generator costs three times what its ops cost. Where nothing can stand in the way (no
lock is held, no work runs), a path that is drained at once has no need to be one: from its source,
``yield (Method, handle, arg)`` becomes ``Method(objects[handle], arg)``, and ``yield from`` a
call. Only an op that may have to wait goes through the contexts. What a path asks its profile is
answered when it is made straight. A test holds both forms of every path against each other.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

from kvmlab.engine.kernel.locks import LOCKS
from kvmlab.engine.kernel.path import BLOCKED, PATHS, can_block
from kvmlab.engine.profile import Profile

Straight = Callable[..., Any]
"""A path's straight-line form: its parameters are the contexts, then the path's own but the profile."""

_CONTEXTS, _OBJECTS, _RESULT, _PROFILE = "_contexts", "_objects", "_result", "profile"

_CONSTANTS = (bool, int, str)
"""Types of the answers of a profile that can stand in code."""


class StraightPaths(dict[str, Straight]):
    """The straight-line form of each path by its name, for one profile; made when it is first asked for."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.profile = profile

    def __missing__(self, name: str) -> Straight:
        path = PATHS[name]
        tree = ast.parse(_source(path))
        function = tree.body[0]
        assert isinstance(function, ast.FunctionDef)
        scope = {**path.__globals__, _PROFILE: self.profile, "_STRAIGHT": self, "_BLOCKED": BLOCKED}
        function.decorator_list = []
        function.args.args[0] = ast.arg(_CONTEXTS)
        straighten = _Straighten(scope)
        straighten.visit(function)
        for called in straighten.called:
            scope[_form_of(called)] = self._first(called, scope)
        function.body.insert(0, ast.parse(f"{_OBJECTS} = {_CONTEXTS}.memory.objects").body[0])
        ast.fix_missing_locations(tree)
        ast.increment_lineno(tree, path.__code__.co_firstlineno - 1)
        exec(compile(tree, path.__code__.co_filename, "exec"), scope)
        made: Straight = scope[function.name]
        self[name] = made
        return made

    def _first(self, name: str, scope: dict[str, Any]) -> Straight:
        """Return what makes a path when it is first called, and puts it in its own place in a scope."""

        def make(*args: Any) -> Any:
            made = scope[_form_of(name)] = self[name]
            return made(*args)

        return make


@cache
def straight_paths(profile: Profile) -> StraightPaths:
    """Return the straight-line forms for a profile."""
    return StraightPaths(profile)


@cache
def _source(path: Callable[..., Any]) -> str:
    """Return the text of a path, which is the same for every profile."""
    return textwrap.dedent(inspect.getsource(path))


def _form_of(name: str) -> str:
    """Return what the straight-line form of a path is called in the code of others."""
    return f"_straight_{name}"


class _Straighten(ast.NodeTransformer):
    """Replaces the yields of one function; ``scope`` is what its names mean."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.called: set[str] = set()

    def visit(self, node: ast.AST) -> Any:
        """Replace what only asks the profile by the answer."""
        if isinstance(node, ast.Attribute | ast.Call | ast.Compare) and _asks_profile(node):
            answer = eval(compile(ast.Expression(node), "<profile>", "eval"), self.scope)
            if answer.__class__ in _CONSTANTS:
                return ast.Constant(answer)
        return super().visit(node)

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        """Call the op where it is spelled out, or hand it to the contexts."""
        self.generic_visit(node)
        op = node.value
        if op is None:
            return ast.Constant(None)
        if isinstance(op, ast.Tuple):
            return self._call(op.elts[0], self._method(op.elts[0]), op.elts[1], op.elts[2:])
        if isinstance(op, ast.Call) and isinstance(op.func, ast.Name):
            method, handle = self.scope[op.func.id].op
            return self._call(self._constant(method), method, ast.Constant(handle), op.args)
        if isinstance(op, ast.Name) and isinstance(self.scope.get(op.id), tuple):
            method, handle, *args = self.scope[op.id]
            constants: list[ast.expr] = [ast.Constant(arg) for arg in args]
            return self._call(self._constant(method), method, ast.Constant(handle), constants)
        return self._contexts("run_op", [op])

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.expr:
        """Call the straight-line form of another path."""
        self.generic_visit(node)
        call = node.value
        assert isinstance(call, ast.Call)
        args = [ast.Name(_CONTEXTS, ast.Load()), *call.args[1:]]
        name = _name_of(call.func)
        if isinstance(name, str):
            self.called.add(name)
            return ast.Call(ast.Name(_form_of(name), ast.Load()), args, [])
        return ast.Call(ast.Subscript(ast.Name("_STRAIGHT", ast.Load()), name, ast.Load()), args, [])

    def _call(self, name: ast.expr, method: Any, handle: ast.expr, args: list[ast.expr]) -> ast.expr:
        """Return ``method(objects[handle], *args)``, tried again if it may have to wait."""
        target: ast.expr = ast.Subscript(ast.Name(_OBJECTS, ast.Load()), handle, ast.Load())
        if isinstance(handle, ast.Constant) and handle.value == LOCKS:
            # A third of all ops are on the locks, which the contexts have at hand.
            target = ast.Attribute(ast.Name(_CONTEXTS, ast.Load()), "locks", ast.Load())
        call = ast.Call(name, [target, *args], [])
        if method is not None and not can_block((method,)):
            return call
        keep = ast.NamedExpr(ast.Name(_RESULT, ast.Store()), call)
        blocked = ast.Compare(keep, [ast.Is()], [ast.Name("_BLOCKED", ast.Load())])
        again = self._contexts("wait_for", [name, handle, *args])
        return ast.IfExp(blocked, again, ast.Name(_RESULT, ast.Load()))

    def _contexts(self, method: str, args: list[ast.expr]) -> ast.expr:
        return ast.Call(ast.Attribute(ast.Name(_CONTEXTS, ast.Load()), method, ast.Load()), args, [])

    def _method(self, node: ast.expr) -> Any:
        """Return the method that an expression such as ``Ioapic.set_irq`` names, if it is global."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return getattr(self.scope.get(node.value.id), node.attr, None)
        return None

    def _constant(self, method: Any) -> ast.expr:
        name = f"_op_{method.__qualname__.replace('.', '_')}"
        self.scope[name] = method
        return ast.Name(name, ast.Load())


def _name_of(function: ast.expr) -> str | ast.expr:
    """Return the name of the path that an expression stands for: known now, or an expression for it."""
    if isinstance(function, ast.Subscript):
        name = function.slice
        return str(name.value) if isinstance(name, ast.Constant) else name
    if isinstance(function, ast.Name) and function.id in PATHS:
        return function.id
    return ast.Attribute(function, "__name__", ast.Load())


def _asks_profile(node: ast.AST) -> bool:
    """Tell whether an expression has no name in it but that of the profile."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names == {_PROFILE}
