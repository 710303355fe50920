"""Deletes objects whose owners are gone: background, foreground and orphaning deletion."""
