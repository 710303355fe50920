"""The podsysctl program, one file per command."""
