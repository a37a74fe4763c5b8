"""Paths as straight-line code: the same source, with each op called where it is yielded.

Draining a generator costs three times what its ops cost. Where nothing can stand in the way (no
lock is held, no work runs), a path that is drained at once has no need to be one: from its source,
``yield (Method, handle, arg)`` becomes ``Method(objects[handle], arg)``, and ``yield from`` a
call. Only an op that may have to wait goes through the contexts. A test holds both forms of every
path against each other.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from kvmlab.engine.kernel.locks import LOCKS
from kvmlab.engine.kernel.path import BLOCKED, PATHS, can_block

Straight = Callable[..., Any]
"""A path's straight-line form: its parameters are the contexts, the profile, the path's own."""

_CONTEXTS, _OBJECTS, _RESULT = "_contexts", "_objects", "_result"


class StraightPaths(dict[str, Straight]):
    """The straight-line form of each path by its name, made when it is first asked for."""

    def __missing__(self, name: str) -> Straight:
        path = PATHS[name]
        tree = ast.parse(textwrap.dedent(inspect.getsource(path)))
        function = tree.body[0]
        assert isinstance(function, ast.FunctionDef)
        scope = {**path.__globals__, "_STRAIGHT": self, "_BLOCKED": BLOCKED}
        function.decorator_list = []
        function.args.args.insert(0, ast.arg(_CONTEXTS))
        _Straighten(scope).visit(function)
        function.body.insert(0, ast.parse(f"{_OBJECTS} = {_CONTEXTS}.memory.objects").body[0])
        ast.fix_missing_locations(tree)
        ast.increment_lineno(tree, path.__code__.co_firstlineno - 1)
        exec(compile(tree, path.__code__.co_filename, "exec"), scope)
        made: Straight = scope[function.name]
        self[name] = made
        return made


class _Straighten(ast.NodeTransformer):
    """Replaces the yields of one function; ``scope`` is what its names mean."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope

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
        if isinstance(call.func, ast.Subscript):
            name: ast.expr = call.func.slice
        elif isinstance(call.func, ast.Name) and call.func.id in PATHS:
            name = ast.Constant(call.func.id)
        else:
            name = ast.Attribute(call.func, "__name__", ast.Load())
        straight = ast.Subscript(ast.Name("_STRAIGHT", ast.Load()), name, ast.Load())
        return ast.Call(straight, [ast.Name(_CONTEXTS, ast.Load()), *call.args], [])

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
