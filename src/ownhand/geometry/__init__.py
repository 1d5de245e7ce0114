"""Geometry that knows nothing of hands."""
