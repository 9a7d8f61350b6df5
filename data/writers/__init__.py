"""Writers that turn the readable sources of the sample company into office files, one module a kind of file."""
