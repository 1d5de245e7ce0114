"""Shows what is in the synthetic world: contact sheets, and histograms of what pictures are like.

python -m tools.show_world docs/images
"""
