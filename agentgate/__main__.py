"""The `agentgate` command, also as `python -m agentgate`."""

import sys


def main() -> None:
    """Starts the command. Nothing is imported before Ctrl-C is understood: starting takes a moment."""
    try:
        if sys.argv[1:] == ["--version"] and _said_version():
            return
        from agentgate.cli.main import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


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
