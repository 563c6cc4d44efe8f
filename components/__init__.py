"""Platforms: each delivers a bundle (config/render) and has a way to create and delete nodes."""
