"""From recordings to the least policy that allows what they did: observe, propose, score, write."""
