"""Tools that run: what a call finds, and what the model answers when it is given that.

`run: {search: FOLDER}` has a tool look through a folder of pages. Nothing in a spec is ever
executed; the folder is read, and searched with SQLite's FTS5.
"""
