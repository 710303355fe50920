"""The profile language of TuneD, pure: from the texts of profiles to what a node is to set."""
