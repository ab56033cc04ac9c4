"""Entry point of ``promptlight``: errors that users can fix become one line and an exit code.

Nothing that it prints on exit contains a password, a token or a signed address.
"""

# pyright: standard

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from types import TracebackType

from promptlight.cli.failures import find_exit_code
from promptlight.salience.errors import PromptlightError
from promptlight.salience.loading.environment import VARIABLES, block_tensorflow
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.secrets import hide_secrets


def main() -> None:
    """Run the command line."""
    block_tensorflow()
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be in another encoding
    try:
        from promptlight.cli.app import app  # slow: Ctrl-C may come during the import

        app()
    except PromptlightError as error:
        message = " ".join([str(error), *getattr(error, "__notes__", [])])  # notes name the options that help
        print(f"promptlight: {one_line(hide_secrets(message))}", file=sys.stderr)
        raise SystemExit(find_exit_code(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception:
        sys.excepthook = print_traceback  # not before: Typer sets its own
        raise


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a bug's traceback as Python does, without secrets: a library's error may quote a whole address."""
    import traceback

    print(hide_secrets("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


if __name__ == "__main__":
    main()
