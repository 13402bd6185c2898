"""One file for each agent loop, run in an environment of its own against the same scripted model server, with the same tool."""
