"""What can go wrong around a run: a disk that fails, a process that is killed at any step, a power cut, signals, shared state in use."""
