"""Settings of every test: property-based tests draw the same examples on every machine."""

import signal

import hypothesis

hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=25, print_blob=True
)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=500)
hypothesis.settings.load_profile("ci")

# A shell starts background jobs with Ctrl-C ignored; the tests that press it must work there too.
signal.signal(signal.SIGINT, signal.default_int_handler)
