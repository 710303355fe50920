"""What a fresh server writes into its own store before it serves."""
