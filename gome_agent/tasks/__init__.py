"""Tasks: what an agent may see, the private grader, and the real tasks that need no download.

Importing this package loads no data and neither pandas nor scikit-learn; a task's data are read
when they are first needed.
"""

from gome_agent.tasks.base import (
    Grade as Grade,
    InvalidSubmission as InvalidSubmission,
    Metric as Metric,
    Task as Task,
    TaskFacts as TaskFacts,
)
from gome_agent.tasks.registry import UnknownTask as UnknownTask, load as load, names as names
