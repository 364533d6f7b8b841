"""A project with a task queue, for processes of their own: its settings, and shorter times."""
