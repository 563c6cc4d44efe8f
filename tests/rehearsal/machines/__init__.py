"""Machines for a rehearsal: each instance of the rehearsed account is a container with systemd."""
