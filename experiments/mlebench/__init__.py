"""MLE-bench from the command line: preparing, runs of a grid, grading, reports."""
