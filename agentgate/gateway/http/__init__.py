"""HTTP/1.1 as the gateway speaks it, to clients and to the upstream: asyncio's protocols over llhttp's parser, and nothing between.

Nothing here knows what a gateway is for: requests come in, answers go out, and whatever could be read in two ways is refused.
"""
