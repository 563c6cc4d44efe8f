"""What the renderers make of one representative cluster, as plain files to read and to compare.

settings.yaml is the cluster, expected/ the bundle. After a wanted change of a renderer:

    python -m tests.unit.snapshots
"""
