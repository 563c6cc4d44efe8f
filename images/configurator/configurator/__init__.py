"""The configurator: brings a cluster to its rendered settings, and says what it changed.

It runs once for each set of settings: files into the shared volumes, slurmctld told to take them,
accounts, QOS and users in the accounting database. Python's standard library only.
"""
