"""Tests of the commands that judge: explain, check, policy."""
