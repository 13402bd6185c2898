"""The gateway: the same policy in front of any application that speaks the OpenAI protocol.

`app` takes requests, `proxy` asks the upstream over `line`, `judging` feeds a session with what was proposed, `store` keeps it. `chat` and
`responses` know the two APIs; nothing else does.
"""
