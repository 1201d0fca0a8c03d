// Few-shot prompts: an instruction, examples, and the question in the same shape with its answer left open.

export interface Example {
  input: string;
  output: string;
}

export interface Shots {
  instruction: string;
  inputName: string;
  outputName: string;
  examples: Example[];
  query: string;
}

const BETWEEN = "\n\n";
/** Examples are lines, so an answer is over where its line is. */
export const ANSWER_END = "\n";

/** The prompt with the first `count` examples. It ends without a space: tokens usually begin with theirs. */
export function fewShotPrompt(shots: Shots, count: number): string {
  const { inputName, outputName } = shots;
  const blocks = shots.examples
    .slice(0, count)
    .map(({ input, output }) => `${inputName}: ${input}\n${outputName}: ${output}`);
  if (shots.instruction.trim()) blocks.unshift(shots.instruction.trim());
  blocks.push(`${inputName}: ${shots.query}\n${outputName}:`);
  return blocks.join(BETWEEN);
}

/** Zero, one and all examples, without saying the same twice. */
export function shotCounts(shots: Shots): number[] {
  return [...new Set([0, Math.min(1, shots.examples.length), shots.examples.length])];
}
