"""ownhand: whose hand is it? Personal 3D hand shape from RGB pictures."""
