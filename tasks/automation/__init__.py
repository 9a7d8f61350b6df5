"""What makes it run by itself."""
