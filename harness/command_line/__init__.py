"""What the commands of `callgate` do, and what `callgate doctor` examines of a model."""
