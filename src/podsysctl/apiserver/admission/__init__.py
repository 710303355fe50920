"""What happens to a write between decoding and the store."""
