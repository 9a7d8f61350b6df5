"""The HTTP server: questions in, cited answers out, for whoever proves who they are."""
