"""Warnings of lint with a file of their own: golds that fail, what the chat template loses."""
