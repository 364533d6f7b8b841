"""The recipes of the documentation: each page is written out as a project, served, and driven in Chromium."""
