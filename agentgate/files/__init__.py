"""Reading and writing files: YAML with positions, policies, tasks, transcripts and what others write."""
