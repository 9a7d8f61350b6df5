"""The sample company: sources, the built documents, and the script that builds them."""
