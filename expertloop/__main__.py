"""`python -m expertloop`: for those who start it by its interpreter, as `up` does."""

from expertloop.cli import main

if __name__ == "__main__":
    main()
