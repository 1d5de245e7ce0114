"""Light, cameras and what they do to pictures, and what is behind."""
