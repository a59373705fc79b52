"""What may be said about a value: operators, JSON Schema, phrases, patterns that cannot hang."""
