"""Entry point of ``promptlight``: errors that are the user's to mend become one line and an exit code."""

from __future__ import annotations

import os
import sys

from promptlight.salience.environment import VARIABLES, block_tensorflow
from promptlight.salience.errors import PromptlightError
from promptlight.salience.printable import one_line


def main() -> None:
    """Run the command line."""
    block_tensorflow()
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        from promptlight.cli.app import app  # takes a moment, in which Ctrl-C may come

        app()
    except PromptlightError as error:
        print(f"promptlight: {one_line(str(error))}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
