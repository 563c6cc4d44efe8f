"""From settings to the bundle: typed settings, their one reader, and the renderers.

Only `stack.py` knows of Pulumi.
"""
