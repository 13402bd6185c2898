"""Who is asked: people, and what stands in for them."""
