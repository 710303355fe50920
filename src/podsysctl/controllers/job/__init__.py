"""Jobs: pods that run to completion, counted once and for all."""
