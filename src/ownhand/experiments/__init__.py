"""The paper's experiments, and some that it leaves out: records of errors first, then tables made from records."""
