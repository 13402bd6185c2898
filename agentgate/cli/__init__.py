"""The command line: one file per command. Parses, calls, prints, exits; imports what it needs when it needs it."""
