import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://localhost:41002/v1", apiKey: "sk-..." });

async function executeWithTools(
  messages: OpenAI.ChatCompletionMessageParam[],
  tools: OpenAI.ChatCompletionTool[]
): Promise<OpenAI.ChatCompletion> {
  try {
    return await client.chat.completions.create({
      model: "gpt-4o",
      messages,
      tools,
      tool_choice: "auto",
    });
  } catch (err) {
    if (err instanceof OpenAI.APIError && err.status === 409) {
      console.warn("Tool call blocked by governance policy");
      return client.chat.completions.create({ model: "gpt-4o", messages });
    }
    throw err;
  }
}

const sql: OpenAI.ChatCompletionTool = {
  type: "function",
  function: { name: "execute_sql", parameters: { type: "object", properties: { query: { type: "string" } } } },
};
const answer = await executeWithTools([{ role: "user", content: "Drop the tables" }], [sql]);
console.log(answer.choices[0]?.message.content);
