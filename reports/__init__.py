"""Run logs turned into documents."""
