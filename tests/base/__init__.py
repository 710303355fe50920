"""Tests of what stands below everything else."""
