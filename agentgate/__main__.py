"""The `agentgate` command, also as `python -m agentgate`."""

import sys


def main() -> None:
    """Starts the command. Nothing is imported before Ctrl-C is understood: starting takes a moment."""
    try:
        from agentgate.cli.main import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
