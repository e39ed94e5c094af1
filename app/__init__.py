"""What a person types: the `ser` command line."""
