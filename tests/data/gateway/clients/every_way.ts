// Every way in which an application asks, against one gateway. Prints one JSON object: way -> what came of it.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://localhost:41002/v1", apiKey: "sk-..." });
const parameters = { type: "object", additionalProperties: true };
const tools: OpenAI.ChatCompletionTool[] = ["read", "delete"].map((name) => ({ type: "function", function: { name, parameters } }));
const chat = { model: "gpt-4o", messages: [{ role: "user" as const, content: "do it" }], tools };
const flat: OpenAI.Responses.Tool[] = ["read", "delete"].map((name) => ({ type: "function", name, parameters, strict: false }));
const response = { model: "gpt-4o", input: "do it", tools: flat };

const ways: Record<string, () => Promise<unknown>> = {
  async plain() {
    const answer = await client.chat.completions.create(chat);
    return answer.choices[0]?.message.tool_calls?.map((call) => (call.type === "function" ? call.function : call.custom));
  },
  async headers() {
    const { data, response } = await client.chat.completions.create(chat).withResponse();
    return [data.choices.length, response.headers.get("x-agentgate-event")?.startsWith("evt_")];
  },
  async chunks() {
    let text = "";
    const names: unknown[] = [];
    for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? "";
      names.push(...(chunk.choices[0]?.delta.tool_calls ?? []).map((call) => call.function?.name));
    }
    return [text, names];
  },
  async helper() {
    const stream = client.chat.completions.stream(chat);
    const message = await stream.finalMessage();
    return [message.content, message.tool_calls?.map((call) => (call as { function: unknown }).function)];
  },
  async loop() {
    const run = (name: string) => ({
      type: "function" as const,
      function: { name, parameters, parse: JSON.parse, function: async () => "done", description: name },
    });
    return await client.chat.completions.runTools({ ...chat, tools: [run("read"), run("delete")] }).finalContent();
  },
  async responses() {
    const answer = await client.responses.create(response);
    return [answer.output_text, answer.output.map((item) => item.type)];
  },
  async responses_helper() {
    const answer = await client.responses.stream(response).finalResponse();
    return [answer.output_text, answer.output.map((item) => (item.type === "function_call" ? item.name : item.type))];
  },
};

const found: Record<string, unknown> = {};
for (const [name, way] of Object.entries(ways)) {
  try {
    found[name] = await way();
  } catch (err) {
    found[name] = err instanceof OpenAI.APIError ? { status: err.status ?? null, code: err.code, error: err.error } : String(err);
  }
}
console.log(JSON.stringify(found));
