"""Entry point of ``promptlight``: errors that users can fix become one line and an exit code.

Nothing that it prints on exit contains a password, a token or a signed address.
"""

# pyright: standard

from __future__ import annotations

import errno
import os
import re
import sys
from io import TextIOWrapper
from types import TracebackType

from promptlight.cli.failures import EXIT_CODES, find_exit_code
from promptlight.salience.errors import OutputError, PromptlightError
from promptlight.salience.loading.environment import VARIABLES, block_tensorflow
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.secrets import hide_secrets

REFUSALS = (  # what only the system can fix
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE),
)
_SIZE = re.compile(r"[1-9][0-9]{0,4}")


def main() -> None:
    """Run the command line."""
    block_tensorflow()
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    _prepare_terminal()
    try:
        from promptlight.cli.app import app  # slow: Ctrl-C may come during the import

        try:
            app()
        finally:
            sys.stdout.flush()  # here, where errors are caught
    except PromptlightError as error:
        message = " ".join([str(error), *getattr(error, "__notes__", [])])  # notes name the options that help
        print(f"promptlight: {one_line(hide_secrets(message))}", file=sys.stderr)
        raise SystemExit(find_exit_code(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _discard_output()
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in REFUSALS:
            sys.excepthook = print_traceback
            raise
        if error.filename is None:
            _discard_output()
        print(f"promptlight: {one_line(hide_secrets(_describe_refusal(error)))}", file=sys.stderr)
        raise SystemExit(EXIT_CODES[OutputError]) from error
    except Exception:
        sys.excepthook = print_traceback  # not before: Typer sets its own
        raise


def _prepare_terminal() -> None:
    """Let every character and every width be printed, and also what nobody reads."""
    _open_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names, and in the locale C everything but ASCII
    for name in ("COLUMNS", "LINES"):
        if not _SIZE.fullmatch(os.environ.get(name, "")):
            os.environ.pop(name, None)  # Rich takes 0, as some terminals say it, for a width


def _open_closed_streams() -> None:
    """Put nothing behind the streams that are closed, as after ``>&-``.

    Python prints to stdout what is for a closed stderr; and the next file to be opened, such as one of results, would
    get the stream's number, under which libraries write their warnings.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _describe_refusal(error: OSError) -> str:
    """What the system refused: it names files, but not the stream behind stdout."""
    if error.filename is None:
        return f"the output could not be written ({error.strerror}); check where it goes"
    return f"{os.fsdecode(error.filename)}: not allowed or not possible ({error.strerror}); check its permissions"


def _discard_output() -> None:
    """Drop what is left in the buffer: Python would try to write it once more on exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a bug's traceback as Python does, without secrets: a library's error may quote a whole address."""
    import traceback

    print(hide_secrets("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


if __name__ == "__main__":
    main()
