"""Experiments: what they are made of, where their results are kept, and whether these are still true."""
