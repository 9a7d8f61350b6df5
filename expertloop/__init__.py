"""Doors: the command line and the names other people's code imports. They call flows and tasks; nothing calls them."""
