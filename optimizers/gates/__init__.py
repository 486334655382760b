"""Gates: whether to accept a candidate, apart from which way it went.

Their rates of false decisions are measured by the study `gates`.
"""

from optimizers.gates._always import always as always
from optimizers.gates._bayes import SeenGains as SeenGains, bayes as bayes, prior as prior
from optimizers.gates._beyond_noise import improved_beyond_noise as improved_beyond_noise
from optimizers.gates._hierarchical import hierarchical as hierarchical
from optimizers.gates._improved import improved as improved
from optimizers.gates._sequential_test import sequential_test as sequential_test
