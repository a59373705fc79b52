"""The stand-in model: its corpus, its tokenizer, its training and its measurements.

Importing this package loads neither torch nor transformers.
"""
