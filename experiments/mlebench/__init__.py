"""MLE-bench on the command line."""
