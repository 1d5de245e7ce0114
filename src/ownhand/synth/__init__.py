"""Synthetic pictures of hands: people, poses, skin, things, light, surroundings."""
