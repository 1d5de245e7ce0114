"""How annotations are checked while testing: beartype, and whole numbers pass for real ones (PEP 484)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
