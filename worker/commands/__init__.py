"""What `emotion-worker` can do: one file a command, each a plain function that `worker.cli` calls."""
