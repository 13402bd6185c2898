"""Bytes that nobody meant, at every place where bytes come in: only our own errors come out."""
