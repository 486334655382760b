"""Gates: whether to accept a candidate, apart from which way it went."""

from optimizers.gates._always import always as always
from optimizers.gates._beyond_noise import improved_beyond_noise as improved_beyond_noise
from optimizers.gates._improved import improved as improved
