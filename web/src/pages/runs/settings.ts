// Lines such as "ppo.iterations = 20" read as settings of a job.

type Value = string | number | boolean;

export function readSettings(text: string): { settings: Record<string, Value>; wrong: string[] } {
  const settings: Record<string, Value> = {};
  const wrong: string[] = [];
  for (const line of text.split("\n").map((one) => one.trim())) {
    if (!line || line.startsWith("#")) continue;
    const found = /^([a-z_]+(?:\.[a-z_]+)+)\s*=\s*(.+)$/i.exec(line);
    if (found?.[1] && found[2]) settings[found[1]] = valueOf(found[2].trim());
    else wrong.push(line);
  }
  return { settings, wrong };
}

function valueOf(text: string): Value {
  if (text === "true" || text === "false") return text === "true";
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  return text.replace(/^"(.*)"$/, "$1");
}
