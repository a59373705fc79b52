"""Fine-tuning until the specs pass."""
