"""Rules of paths inside volumes: relative, without steps back."""

from __future__ import annotations

from podsysctl.objects.validation.fields import Errors, invalid


def validate_no_backsteps(text: str, errors: Errors, path: str) -> None:
    """No element of the path is `..`."""
    if ".." in text and ".." in text.split("/"):
        errors.append(invalid(path, text, "must not contain '..'"))


def validate_inner_path(text: str, errors: Errors, path: str) -> None:
    """A relative path without steps back."""
    if text.startswith("/"):
        errors.append(invalid(path, text, "must be a relative path"))
    validate_no_backsteps(text, errors, path)


def validate_unreserved_path(text: str, errors: Errors, path: str) -> None:
    """An inner path that does not begin with two dots, which the kubelet uses for itself."""
    validate_inner_path(text, errors, path)
    if text.startswith("..") and not text.startswith("../"):
        errors.append(invalid(path, text, "must not start with '..'"))
