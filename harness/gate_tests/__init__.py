"""The gate under pytest: its session, its terminal, what is rerun, what JUnit's XML holds."""
