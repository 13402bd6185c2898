"""The `agentgate` command, also as `python -m agentgate`."""

import gc
import sys

_GARBAGE = 100_000
"""Objects made since the collector last looked, before it looks again. What starting makes is not garbage, and there is much of it."""


def main() -> None:
    """Starts the command. Nothing is imported before Ctrl-C is understood: starting takes a moment."""
    gc.set_threshold(_GARBAGE)
    try:
        if sys.argv[1:] == ["--version"] and _said_version():
            return
        from agentgate.cli.main import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # the process ends: there is nothing to look for any more


def _said_version() -> bool:
    """Says the version without reading a command line; where nobody takes it, it is left to the command to complain."""
    from agentgate import __version__

    if sys.stdout is None:
        return False
    try:
        sys.stdout.write(f"agentgate {__version__}\n")
        sys.stdout.flush()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
