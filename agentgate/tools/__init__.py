"""What is executed: the tools of a task, in a process of their own."""
