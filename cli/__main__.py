"""Entry point of ``promptlight``: errors that are the user's to mend become one line and an exit code.

Nothing that is printed on the way out quotes a password, a token or a signed address.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

from promptlight.cli.app import app
from promptlight.salience.errors import PromptlightError
from promptlight.salience.printable import one_line
from promptlight.salience.secrets import hide_secrets


def main() -> None:
    """Run the command line."""
    block_tensorflow()
    os.environ.setdefault("TQDM_DISABLE", "1")  # download bars of the model hubs would tear our own
    # torch's threads spin while they wait: beside another busy program, that made a run forty times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except PromptlightError as error:
        print(f"promptlight: {one_line(hide_secrets(str(error)))}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception:
        sys.excepthook = print_traceback  # not before: Typer sets its own
        raise


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what Python would of a bug, without secrets: what a library raised may quote a whole address."""
    import traceback

    print(hide_secrets("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def block_tensorflow() -> None:
    """keras-nlp imports TensorFlow where it is installed, which costs seconds and is never used here."""
    for name in ("tensorflow", "tensorflow_text"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
