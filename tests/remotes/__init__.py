"""Teams at work, with real remotes: a folder, S3 and SSH servers of the tests' own, a cache that users share."""
