// How full the context is: system prompt, chat so far, room for the answer, and what had to be left out.
import { number } from "../../words";
import { facts } from "./context";
import { say } from "./words";

export function Meter() {
  const now = facts.value;
  if (!now) return <p class="meter-words hint">{say("keys")}</p>;
  const { system, history, room, window } = now;
  const used = system + history;
  const share = (tokens: number) => ({ width: `${Math.min(100, (100 * tokens) / Math.max(1, window))}%` });
  const left = now.turns_dropped;
  const words = say("contextFacts", { system, history, room });
  return (
    <div class="meter" title={words}>
      <div class="meter-bar" role="img" aria-label={`${say("context")}: ${words}`}>
        <i class="meter-system" style={share(system)} />
        <i class="meter-history" style={share(history)} />
        <i class="meter-room" style={share(room)} />
      </div>
      <p class="meter-words hint numbers">
        <span>{say("contextOf", { used: number(used), window: number(window) })}</span>
        {left > 0 && <span class="meter-dropped">{left === 1 ? say("droppedOne") : say("dropped", { count: left })}</span>}
        {room < 1 && <span class="meter-dropped">{say("noRoom")}</span>}
        <span class="meter-detail">{words}</span>
      </p>
    </div>
  );
}
