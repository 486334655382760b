"""One module a library: the same toy step with each, run in an environment of its own."""
