"""Networks: from a picture to a hand."""
