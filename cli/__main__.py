"""Entry point of ``promptlight``: errors that are the user's to mend become one line and an exit code."""

from __future__ import annotations

import os
import sys

from promptlight.salience.errors import PromptlightError
from promptlight.salience.printable import one_line


def main() -> None:
    """Run the command line."""
    block_tensorflow()
    os.environ.setdefault("TQDM_DISABLE", "1")  # download bars of the model hubs would tear our own
    # torch's threads spin while they wait: beside another busy program, that made a run forty times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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


def block_tensorflow() -> None:
    """keras-nlp imports TensorFlow where it is installed, which costs seconds and is never used here."""
    for name in ("tensorflow", "tensorflow_text"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
