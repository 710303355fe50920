"""What every layer may use: errors, limits, the clock and version numbers."""
