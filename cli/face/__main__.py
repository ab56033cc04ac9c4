"""``python -m promptlight`` is the command."""

from __future__ import annotations

from promptlight.cli.__main__ import main

if __name__ == "__main__":
    main()
