"""Tests of the gates inside a running API server."""
