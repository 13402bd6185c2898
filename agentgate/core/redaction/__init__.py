"""What is taken out of records, screens and results: detectors, patterns, and the values of secret environment variables.

Pure: a text goes in, and comes out with `[redacted:…]` where something was found.
"""
