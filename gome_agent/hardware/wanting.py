"""Does a script compute on a GPU? Decided from its text; in doubt it does."""

from __future__ import annotations

import ast
import re
import sys

# Packages that never touch a GPU unless a word of `_WORDS` asks for it.
_ON_PROCESSORS = {
    *("numpy", "pandas", "scipy", "sklearn", "statsmodels", "polars", "pyarrow", "joblib", "tqdm"),
    *("xgboost", "lightgbm", "catboost", "imblearn", "category_encoders", "optuna", "networkx"),
    *("PIL", "cv2", "skimage", "librosa", "soundfile", "nltk", "Levenshtein", "rapidfuzz"),
    *("matplotlib", "seaborn", "shapely"),
}
_WORDS = re.compile(r"gpu|cuda|device|rocm|torch|tensorflow|jax|nvidia", re.IGNORECASE)
_INDIRECT = {"exec", "eval", "compile", "__import__"}
_STARTS_PROGRAMS = {"subprocess", "importlib", "runpy", "ctypes", "builtins"}


def wants_gpu(script: str) -> bool:
    """Whether a script may compute on a GPU.

    It does not if it can be read, imports nothing but packages that compute on processors, and
    no name, attribute, argument or text in it speaks of a GPU.

    >>> wants_gpu("import pandas as pd"), wants_gpu("import xgboost; p = {'device': 'cuda'}")
    (False, True)
    """
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return any(_tells(node) for node in ast.walk(tree))


def _tells(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return not all(_on_processors(alias.name) for alias in names)
        case ast.ImportFrom(module=module, names=names):
            words = any(_WORDS.search(alias.name) for alias in names)
            return words or not _on_processors(module or "")
        case ast.Constant(value=str(text)):
            return _WORDS.search(text) is not None
        case ast.Name(id=name):
            return name in _INDIRECT or _WORDS.search(name) is not None
        case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            return _WORDS.search(name) is not None
    return False


def _on_processors(module: str) -> bool:
    package = module.partition(".")[0]
    if package in _STARTS_PROGRAMS or _WORDS.search(module):
        return False
    return package in _ON_PROCESSORS or package in sys.stdlib_module_names
