"""Who there is: hands as surveys measured them, skin, hair, what is worn."""
