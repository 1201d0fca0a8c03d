// "View code": the request of the page as a program would send it.

export type CodeRequest = { model: string; prompt: string } & Record<string, unknown>;

// Parameters that OpenAI's Python client knows by name; the others travel in extra_body.
const KNOWN = new Set([
  "model",
  "prompt",
  "max_tokens",
  "temperature",
  "top_p",
  "presence_penalty",
  "frequency_penalty",
  "seed",
  "stop",
  "logprobs",
]);

export function asCurl(address: string, request: CodeRequest): string {
  const body = JSON.stringify(request, null, 2).replaceAll("'", `'\\''`);
  return [
    `curl ${address}/completions \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -H "Authorization: Bearer $CHATWRIGHT_API_KEY" \\`,
    `  -d '${body}'`,
  ].join("\n");
}

export function asPython(address: string, request: CodeRequest): string {
  const known = Object.entries(request).filter(([name]) => KNOWN.has(name));
  const extra = Object.entries(request).filter(([name]) => !KNOWN.has(name));
  const lines = known.map(([name, value]) => `    ${name}=${literal(value)},`);
  if (extra.length) {
    lines.push(`    extra_body={${extra.map(([name, value]) => `"${name}": ${literal(value)}`).join(", ")}},`);
  }
  return [
    "import os",
    "",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${literal(address)}, api_key=os.environ.get("CHATWRIGHT_API_KEY", "none"))`,
    "completion = client.completions.create(",
    ...lines,
    ")",
    "print(completion.choices[0].text)",
  ].join("\n");
}

/** A JSON value as a Python literal. JSON strings are Python strings; only the three constants differ. */
function literal(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  return JSON.stringify(value);
}
