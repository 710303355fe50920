"""Tests of additional networks in the node agent."""
