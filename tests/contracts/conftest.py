import pytest

from gome_agent.tasks import registry
from gome_agent.tasks.base import Task


@pytest.fixture
def a_task() -> Task:
    """Any task: only its facts are used where nothing is run."""
    return registry.load("digits")
