"""BFCL's checker, defects included: its rules for calls, and for the values in them."""
