"""The cluster in Docker on this machine."""
