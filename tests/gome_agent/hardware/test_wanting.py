"""Which scripts are given a card: in doubt, each."""

from __future__ import annotations

import pytest

from gome_agent.hardware.wanting import wants_gpu

ON_PROCESSORS = {
    "nothing": "print(1)",
    "boosting": "import xgboost, lightgbm\nfrom sklearn.svm import SVC\nxgboost.train({}, None)",
    "regular expressions": "import re\nre.compile('a')",
    "a frame's own eval": "import pandas as pd\npd.DataFrame().eval('a = 1')",
}
ON_A_CARD = {
    "torch": "import torch",
    "part of it": "from torch import nn",
    "built on it": "import timm",
    "unknown package": "import something_new",
    "boosting on the card": "import xgboost as x\nx.XGBClassifier(device='cuda')",
    "a word in a text": "import catboost as c\nc.CatBoostClassifier(task_type='GPU')",
    "an argument": "import xgboost as x\nx.train({}, device=d)",
    "an attribute": "x.to_device(0)",
    "a name": "use_gpu = False",
    "imports by itself": "__import__('to' + 'rch')",
    "by importlib": "import importlib",
    "another program": "import subprocess",
    "run from text": "exec(text)",
    "a name from a package": "from sklearn import cuda_things",
    "no Python": "def f(:",
    "no text": "\0",
}


@pytest.mark.parametrize("name", ON_PROCESSORS)
def test_these_do_not(name: str) -> None:
    assert not wants_gpu(ON_PROCESSORS[name])


@pytest.mark.parametrize("name", ON_A_CARD)
def test_these_may(name: str) -> None:
    assert wants_gpu(ON_A_CARD[name])
