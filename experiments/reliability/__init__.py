"""What is left behind where something breaks off."""
