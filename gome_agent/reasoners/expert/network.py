"""A residual network in torch as source text, for scripts whose environment has torch.

Two blocks of linear layer, normalisation, activation and dropout with a skip connection (Gorishniy
et al. 2021), trained by AdamW with a one-cycle schedule. It has scikit-learn's interface.
"""

from __future__ import annotations

from gome_agent.reasoners.expert.plan import Plan
from gome_agent.tasks.base import TaskFacts


def network(plan: Plan, facts: TaskFacts) -> str:
    """Source of the classes that the plan needs; empty if it needs none."""
    if "torch" not in (plan.family, *plan.partners):
        return ""
    return _BASE + (_REGRESSOR if facts.kind == "regression" else _CLASSIFIER)


_BASE = '''\
class Block(torch.nn.Module):
    """x + f(x)."""

    def __init__(self, width, dropout):
        super().__init__()
        self.inner = torch.nn.Sequential(
            torch.nn.BatchNorm1d(width), torch.nn.Linear(width, width), torch.nn.ReLU(),
            torch.nn.Dropout(dropout), torch.nn.Linear(width, width), torch.nn.Dropout(dropout),
        )

    def forward(self, rows):
        return rows + self.inner(rows)


class Network(BaseEstimator):
    """A residual network with scikit-learn's interface."""

    def __init__(self, width=128, decay=0.01, dropout=0.1, epochs=30, random_state=0):
        self.width, self.decay, self.dropout = width, decay, dropout
        self.epochs, self.random_state = epochs, random_state

    def train(self, X, target, outputs, loss):
        torch.manual_seed(self.random_state)
        rows = torch.tensor(np.asarray(X, dtype=np.float32))
        layers = [torch.nn.Linear(rows.shape[1], self.width)]
        layers += [Block(self.width, self.dropout) for _ in range(2)]
        layers += [torch.nn.ReLU(), torch.nn.Linear(self.width, outputs)]
        self.net_ = torch.nn.Sequential(*layers)
        steps = torch.optim.AdamW(self.net_.parameters(), weight_decay=self.decay)
        size = min(256, len(rows))
        batches = len(rows) // size  # the rest is left out: another one in every epoch
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            steps, max_lr=0.005, total_steps=self.epochs * batches
        )
        for _ in range(self.epochs):
            for batch in torch.randperm(len(rows))[: batches * size].split(size):
                steps.zero_grad()
                loss(self.net_(rows[batch]), target[batch]).backward()
                steps.step()
                cycle.step()
        self.net_.eval()
        return self

    def outputs(self, X):
        with torch.no_grad():
            return self.net_(torch.tensor(np.asarray(X, dtype=np.float32))).double().numpy()'''

_CLASSIFIER = """


class NetworkClassifier(ClassifierMixin, Network):
    def fit(self, X, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        loss = torch.nn.CrossEntropyLoss()
        return self.train(X, torch.tensor(codes), len(self.classes_), loss)

    def predict_proba(self, X):
        return softmax(self.outputs(X), axis=1)

    def predict(self, X):
        return self.classes_[self.outputs(X).argmax(axis=1)]"""

_REGRESSOR = """


class NetworkRegressor(RegressorMixin, Network):
    def fit(self, X, y):
        target = torch.tensor(np.asarray(y, dtype=np.float32)).reshape(-1, 1)
        return self.train(X, target, 1, torch.nn.MSELoss())

    def predict(self, X):
        return self.outputs(X)[:, 0]"""
