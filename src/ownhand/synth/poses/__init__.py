"""How hands stand and move, without sinking into themselves."""
