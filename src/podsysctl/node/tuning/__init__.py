"""Node-level parameters: what the Profiles of this machine's nodes ask for, brought to its one kernel and back."""
