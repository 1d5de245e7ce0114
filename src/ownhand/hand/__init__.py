"""The hand: skeleton, models, identity, measurements, export."""
