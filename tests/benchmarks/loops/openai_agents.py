# /// script
# dependencies = ["openai-agents"]
# ///
"""The OpenAI Agents SDK."""

import asyncio
from collections.abc import Callable

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from looping import PROMPT, add, main
from openai import AsyncOpenAI


def prepare(url: str) -> Callable[[int], str]:
    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel(model="scripted", openai_client=AsyncOpenAI(base_url=url))
    agent = Agent(name="adder", model=model, tools=[function_tool(add)])
    loop = asyncio.new_event_loop()
    return lambda steps: str(loop.run_until_complete(Runner.run(agent, PROMPT.format(steps), max_turns=steps + 2)).final_output)


if __name__ == "__main__":
    main(prepare)
