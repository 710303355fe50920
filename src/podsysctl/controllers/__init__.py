"""Reconcilers that act only through the API."""
