"""The TLS context of a client: whom we trust, and the certificate we show."""

from __future__ import annotations

import os
import ssl

from podsysctl.base.errors import UsageError
from podsysctl.client.config import ClientConfig


def create_context(config: ClientConfig, cert: bytes = b"", key: bytes = b"") -> ssl.SSLContext | None:
    """The context for `config.server`; None for plain http. `cert` and `key` replace the configured ones.

    Raises UsageError for a certificate or key that OpenSSL cannot read.
    """
    if not config.server.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cadata=config.ca.decode() if config.ca else None)
        if config.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        cert, key = cert or config.client_cert, key or config.client_key
        if cert:
            load_chain(context, cert, key)
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"certificates for {config.server} cannot be used: {error}") from error
    return context


def load_chain(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """Give the context a certificate and its key (PEM): through memory, since keys do not belong on disk."""
    handle = os.memfd_create("podsysctl-client", os.MFD_CLOEXEC)
    try:
        with os.fdopen(handle, "wb", closefd=False) as stream:
            stream.write(cert + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
