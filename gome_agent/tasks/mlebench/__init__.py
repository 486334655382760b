"""MLE-bench (Chan et al., 2024) as tasks, without importing the benchmark into this process.

The benchmark lives in an environment of its own and is asked through a worker process. What may be
known while a run is open (`Rollout`) and what only afterwards (`Final`) are two capabilities.
"""
