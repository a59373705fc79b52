"""callgate's gate: specs are read, requests answered, replies judged, verdicts logged."""

__version__ = "0.1.0"
