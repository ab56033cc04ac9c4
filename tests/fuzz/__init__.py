"""Properties that must hold for any input, one surface at a time, as Hypothesis tests and as fuzzers.

Each module has one ``SURFACE``. ``tests/test_fuzz.py`` lets Hypothesis search briefly for a case that breaks it;
``python -m tests.fuzz`` (``make fuzz``) lets Atheris search for any length of time, guided by coverage.
"""
