"""Mutation testing: every small change of the code that decides has to be noticed by a test."""
