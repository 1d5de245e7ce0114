"""What hands hold, and what else lies about."""
