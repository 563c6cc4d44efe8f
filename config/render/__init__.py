"""Pure functions from settings to the bundle that a platform delivers: one module an artefact."""
