"""`python -m growsearch`."""

from growsearch.cli import main

if __name__ == "__main__":
    main()
