"""A task for tests of the container's entry: bundled data under a made-up competition."""

from dataclasses import replace
from functools import cached_property

from gome_agent.tasks import registry


class InContainer:
    """The task `digits`, told by what the container has; validated by its own checks."""

    def __init__(self, competition, rollout):
        self._task = registry.load("digits")
        self._info = rollout.info(competition)

    @cached_property
    def facts(self):
        return replace(self._task.facts, name=self._info.id)

    @property
    def description(self):
        return self._info.description

    @property
    def sealed(self):
        return self._info.sealed

    def prepare(self, public):
        public.mkdir(parents=True, exist_ok=True)
        for source in self._info.public.iterdir():
            (public / source.name).write_bytes(source.read_bytes())

    def check(self, submission):
        self._task.check(submission)

    def grade(self, submission):
        raise AssertionError("nothing is graded in the container")
