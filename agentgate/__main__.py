"""`python -m agentgate` is the same as `agentgate`."""

from agentgate.cli.main import main

if __name__ == "__main__":
    main()
