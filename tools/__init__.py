"""Programs that make parts of the repository from others. Nothing in here is installed."""
