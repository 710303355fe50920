"""Questions about identity and rights, asked as objects that are never stored."""
