"""A project whose users have an address or a UUID as their primary key: `STRANGE_KEY` chooses."""
