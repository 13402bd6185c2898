"""One file for each engine, run in an environment of its own: `# /// script` says what is installed there."""
