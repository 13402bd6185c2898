"""Numbers of things in words."""


def plural(count: int, word: str) -> str:
    """`1 call`, `1,245 tokens`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
