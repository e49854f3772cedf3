"""`python -m dabench` is the command `dabench`."""

from dabench.cli import main

if __name__ == "__main__":
    main()
