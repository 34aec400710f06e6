"""python -m lumaweb.environment: write `.env.example` and the tables of the documentation."""

from . import reference

if __name__ == "__main__":
    reference.write()
