"""What must hold whatever comes in, surface by surface: once as Hypothesis tests, once as fuzzers.

Each module has one ``SURFACE``. ``tests/test_fuzz.py`` lets Hypothesis look for a case that breaks it, shortly;
``python -m tests.fuzz`` (``make fuzz``) lets Atheris do so, guided by coverage, for as long as one likes.
"""
