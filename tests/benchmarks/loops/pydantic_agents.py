# /// script
# dependencies = ["pydantic-ai-slim[openai]"]
# ///
"""pydantic-ai."""

import asyncio
from collections.abc import Callable

from looping import PROMPT, add, main
from pydantic_ai import Agent, UsageLimits
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def prepare(url: str) -> Callable[[int], str]:
    agent = Agent(OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=url, api_key="none")))
    agent.tool_plain(add)
    loop = asyncio.new_event_loop()

    def converse(steps: int) -> str:
        return loop.run_until_complete(agent.run(PROMPT.format(steps), usage_limits=UsageLimits(request_limit=steps + 2))).output

    return converse


if __name__ == "__main__":
    main(prepare)
