"""Names with arguments, as they are typed: `momentum(decay=0.8)`, `unreliable(expert, rho=0.3)`.

A spec is parsed as one Python call expression and never evaluated as code: names are looked up in
tables, arguments are literals or nested specs. `package.module:object` takes an object of the
user's own.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optax

import optimizers
from optimizers import Policy, Strategy, recipes

if TYPE_CHECKING:
    from gome_agent.models import Model

_ALL_RULES: Mapping[str, Any] = {**recipes.RULES, **recipes.WRAPPERS}


class SpecError(ValueError):
    """A spec that cannot be built; the message names what exists and the nearest match."""


@dataclass(frozen=True)
class Spec:
    """A name with arguments; arguments are literals or specs."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def parse(text: str) -> Spec:
    """Read a spec.

    Raises:
      SpecError: the text is not a name with literal arguments.

    Example:
      >>> parse("unreliable(expert, rho=0.3)").kwargs
      {'rho': 0.3}
    """
    text = text.strip()
    path = re.match(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", text)
    expression = f"_{text[path.end() :]}" if path else text
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise SpecError(
            f"cannot read {text!r}: write a name with arguments, e.g. momentum(decay=0.8)"
        ) from error
    spec = _read(node, text)
    if not isinstance(spec, Spec):
        raise SpecError(f"{text!r} is a value, not a name: write e.g. momentum(decay=0.8)")
    return Spec(path.group(), spec.args, spec.kwargs) if path else spec


def split(text: str) -> tuple[str, ...]:
    """Several specs in one text, between commas or semicolons outside of brackets and quotes.

    Raises:
      SpecError: a bracket or quote does not close.

    Example:
      >>> split("gome; aide(drafts=5, debug_prob=1.0), best_of_n")
      ('gome', 'aide(drafts=5, debug_prob=1.0)', 'best_of_n')
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        if letter in ",;" and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    if depth or quote:
        raise SpecError(f"cannot read {text!r}: a bracket or a quote does not close")
    return tuple(part.strip() for part in parts if part.strip())


def _read(node: ast.expr, text: str) -> Any:
    match node:
        case ast.Name(id=name):
            return Spec(name)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if all(
            keyword.arg for keyword in keywords
        ):
            return Spec(
                name,
                tuple(_read(arg, text) for arg in args),
                {str(keyword.arg): _read(keyword.value, text) for keyword in keywords},
            )
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise SpecError(
            f"cannot read {ast.unparse(node)!r} in {text!r}: arguments are numbers, strings, "
            "True, False, None, or names with arguments"
        ) from error


def resolve(spec: Spec, tables: Mapping[str, Any], kind: str) -> Any:
    """The object a spec's name stands for, from a table or from the user's module.

    Raises:
      SpecError: unknown name, or a module or object that cannot be imported.
    """
    if ":" in spec.name:
        module, _, attribute = spec.name.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise SpecError(f"cannot import the {kind} `{spec.name}`: {error}") from error
        return found
    if spec.name not in tables:
        raise SpecError(unknown(kind, spec.name, tables))
    return tables[spec.name]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One sentence on a name that does not exist: what does, and what was probably meant."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"unknown {kind} `{name}`.{hint} There are: {', '.join(known)}."


def call(function: Callable[..., Any], spec: Spec, args: Iterable[Any], kwargs: Mapping) -> Any:
    """Call with checked arguments.

    Raises:
      SpecError: an argument does not exist or is refused; names what the function takes.
    """
    args = tuple(args)
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise SpecError(_argument_help(function, spec, kwargs, error)) from error
    try:
        return function(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise SpecError(f"`{spec.name}` refuses its arguments: {error}") from error


def _argument_help(function, spec: Spec, kwargs: Mapping, error: TypeError) -> str:
    takes = [p.name for p in inspect.signature(function).parameters.values()]
    strange = [name for name in kwargs if name not in takes]
    if strange:
        return f"`{spec.name}`: " + unknown("argument", strange[0], takes)
    return f"`{spec.name}`: {error}. It takes: {', '.join(takes) or 'nothing'}."


def build_strategy(text: str) -> Strategy:
    """A strategy from its spec: any rule, policy or named strategy, or an object of one's own.

    `gate`, `policy`, `rule` and `selector` may be given to any of them:
    `adam(learning_rate=0.1, gate=improved_beyond_noise(z=2))`. A wrapper takes a rule first:
    `clipped(adam(learning_rate=0.1), max_norm=1)`. A hybrid may take a policy that
    chooses its nodes: `auto(base=aira_mcts(children=3), cost=3)`.

    Raises:
      SpecError: as `parse`, `resolve` and `call`.

    Example:
      >>> build_strategy("aide(drafts=3)").policy.capacity(10)
      10
    """
    spec = parse(text)
    tables = {**_ALL_RULES, **recipes.POLICIES, **recipes.STRATEGIES}
    found = resolve(spec, tables, "strategy")
    parts, kwargs = _parts(spec)
    args, kwargs = _with_inner_rules(found, spec, kwargs)
    if callable(found) and not isinstance(found, (Strategy, Policy, optax.GradientTransformation)):
        if spec.name in recipes.STRATEGIES:
            return call(found, spec, args, {**kwargs, **parts})
        found = call(found, spec, args, kwargs)
    match found:
        case Strategy():
            return found._replace(**parts)
        case Policy():
            return call(optimizers.undirected, spec, (found,), parts)
        case optax.GradientTransformation():
            return call(optimizers.directed, spec, (found,), parts)
    raise SpecError(
        f"`{spec.name}` is a {type(found).__name__}: a strategy is made from an optax "
        "transformation, a `Policy` or a `Strategy`"
    )


def _parts(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a spec's keyword arguments into strategy parts, built, and the rest, as they are."""
    tables = {
        "gate": recipes.GATES,
        "policy": recipes.POLICIES,
        "rule": _ALL_RULES,
        "selector": recipes.SELECTORS,
    }
    if spec.name in recipes.WRAPPERS:
        del tables["rule"]  # its own argument
    parts = {
        name: _part(name, value, tables[name])
        for name, value in spec.kwargs.items()
        if name in tables
    }
    rest = {name: value for name, value in spec.kwargs.items() if name not in tables}
    return parts, _with_choices(rest)


def _with_choices(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a policy, in which its operator and a base policy are built."""
    built = dict(kwargs)
    if "operator" in built:
        built["operator"] = _operator(built["operator"])
    if isinstance(built.get("base"), Spec):
        built["base"] = _part("policy", built["base"], recipes.POLICIES)
    return built


def _part(kind: str, value: Any, table: Mapping[str, Any]) -> Any:
    value = _as_spec(value)
    if not isinstance(value, Spec):
        raise SpecError(f"`{kind}={value!r}`: give a name, e.g. {kind}={next(iter(table))}")
    if kind == "rule":
        return _rule(value)
    found = resolve(value, table, kind)
    kwargs = _with_choices(value.kwargs) if kind == "policy" else value.kwargs
    return call(found, value, value.args, kwargs)


def _as_spec(value: Any) -> Any:
    return parse(value) if isinstance(value, str) else value


def _rule(spec: Spec) -> Any:
    """A rule from its spec, with the rules inside it."""
    found = resolve(spec, _ALL_RULES, "rule")
    if callable(found) and not isinstance(found, optax.GradientTransformation):
        args, kwargs = _with_inner_rules(found, spec, spec.kwargs)
        found = call(found, spec, args, kwargs)
    if not isinstance(found, optax.GradientTransformation):
        raise SpecError(f"`{spec.name}` is a {type(found).__name__}, not an optax transformation")
    return found


def _with_inner_rules(
    function: Any, spec: Spec, kwargs: Mapping[str, Any]
) -> tuple[list, dict[str, Any]]:
    """Arguments of a spec, in which a wrapper's `rule`, its first argument, is built.

    Where the function has a text by default a bare word is a text: `consensus(sgd, how=median)`.
    """
    args, kwargs = _with_words(function, spec.args, kwargs)
    if spec.name in recipes.WRAPPERS:
        if args and isinstance(args[0], Spec | str):
            args[0] = _rule(_as_spec(args[0]))
        elif isinstance(kwargs.get("rule"), Spec | str):
            kwargs["rule"] = _rule(_as_spec(kwargs["rule"]))
        else:
            raise SpecError(
                f"`{spec.name}` changes a rule and is given none: write its name first, e.g. "
                f"{spec.name}(momentum(decay=0.8))"
            )
    for value in (*args, *kwargs.values()):
        if isinstance(value, Spec):
            raise SpecError(
                f"`{value.name}` in `{spec.name}(...)` is a name: arguments are numbers, strings, "
                "True, False or None, but for gate, policy, base, rule, selector and operator"
            )
    return args, kwargs


def _with_words(
    function: Any, args: Iterable[Any], kwargs: Mapping[str, Any]
) -> tuple[list, dict[str, Any]]:
    """The arguments, with bare words read as texts where a parameter's default is a text."""
    if not callable(function):
        return list(args), dict(kwargs)
    parameters = inspect.signature(function).parameters
    texts = {name for name, p in parameters.items() if isinstance(p.default, str)}

    def read(name: str, value: Any) -> Any:
        bare = isinstance(value, Spec) and not (value.args or value.kwargs)
        return value.name if bare and name in texts else value

    names = (*parameters, *("" for _ in args))
    return (
        [read(name, value) for name, value in zip(names, args, strict=False)],
        {name: read(name, value) for name, value in kwargs.items()},
    )


def _operator(value: Any) -> optimizers.Operator:
    name = value.name if isinstance(value, Spec) else str(value)
    try:
        operator = optimizers.Operator[name.upper()]
    except KeyError:
        names = [operator.name.lower() for operator in optimizers.Operator]
        raise SpecError(unknown("operator", name, names)) from None
    if operator == optimizers.Operator.CROSSOVER:
        raise SpecError(
            "`crossover` needs two parents and a policy's operator has one: the policies that "
            "cross choose it themselves"
        )
    return operator


def build_reasoner(text: str, model: Model | None = None) -> Any:
    """A reasoner from its spec: `expert`, `prompted`, or `unreliable(expert, rho=0.3)`.

    Args:
      text: the spec.
      model: that `prompted` asks.

    Raises:
      SpecError: as `parse`, `resolve` and `call`; or `prompted` has no model to ask, or there is
        a model and nobody to ask it.
    """
    from gome_agent.reasoners import Expert, Unreliable
    from gome_agent.reasoners.prompted import Prompted

    asked = []

    def prompted(**options: Any) -> Prompted:
        if model is None:
            raise SpecError("the reasoner `prompted` needs a model: --model openai/gpt-5, say")
        asked.append(model)
        return Prompted(model, **options)

    prompted.__signature__ = _without_first(Prompted)  # type: ignore[attr-defined]
    tables = {"expert": Expert, "unreliable": Unreliable, "prompted": prompted}

    def build(spec: Spec) -> Any:
        found = resolve(spec, tables, "reasoner")
        if not callable(found):
            return found
        args, kwargs = _with_words(found, spec.args, spec.kwargs)
        args = [build(arg) if isinstance(arg, Spec) else arg for arg in args]
        kwargs = {
            name: build(value) if isinstance(value, Spec) else value
            for name, value in kwargs.items()
        }
        return call(found, spec, args, kwargs)

    reasoner = build(parse(text))
    if model is not None and not asked:
        raise SpecError(f"the reasoner `{text}` asks no model: take `prompted`, or no --model")
    return reasoner


def _without_first(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])
