"""Rules of pods: everything upstream's API server checks of a new or changed pod, one module per part of it."""
