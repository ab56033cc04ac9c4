"""``analyze`` on a Ray cluster. Needs the extra ``promptlight[ray]``.

Does not know: files, the terminal.
"""
