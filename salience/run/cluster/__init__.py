"""``analyze`` on a Ray cluster. Needs the extra ``promptlight[ray]``; ``cluster.py`` says how it works.

Does not know: files, the terminal.
"""
