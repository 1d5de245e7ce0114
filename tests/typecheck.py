"""How annotations are checked while testing: beartype, with whole numbers taken where real ones are expected (PEP 484)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
