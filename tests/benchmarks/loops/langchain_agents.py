# /// script
# dependencies = ["langchain", "langgraph", "langchain-openai"]
# ///
"""LangChain's agent, which is a graph of LangGraph."""

from collections.abc import Callable

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from looping import PROMPT, add, main


def prepare(url: str) -> Callable[[int], str]:
    agent = create_agent(ChatOpenAI(model="scripted", base_url=url), tools=[add])

    def converse(steps: int) -> str:
        made = agent.invoke({"messages": [{"role": "user", "content": PROMPT.format(steps)}]}, {"recursion_limit": 3 * steps + 10})
        return str(made["messages"][-1].content)

    return converse


if __name__ == "__main__":
    main(prepare)
