"""The choice of tuning profiles."""
