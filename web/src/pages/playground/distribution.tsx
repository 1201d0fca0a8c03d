// The chosen token's alternatives before and after the sampling settings: temperature made visible.
import { visible } from "../../parts/visible";
import { number, percent } from "../../words";
import { entropy, reshape } from "./maths";
import { shownToken, textOf } from "./pieces";
import { focused, sampling } from "./state";
import { say } from "./words";

const CONTEXT_CHARACTERS = 18;

export function Distribution() {
  const at = focused.value;
  if (!at?.piece.top.length) {
    return (
      <section class="distribution">
        <h2>{say("distribution")}</h2>
        <p class="hint">{say("distributionNone")}</p>
      </section>
    );
  }
  const rows = reshape(at.piece.top, sampling.value, at.piece.heat);
  const scale = Math.max(...rows.map((row) => Math.max(row.before, row.after)));
  const listed = Math.min(1, rows.reduce((sum, row) => sum + row.before, 0));
  const before = entropy(rows.map((row) => row.before / listed));
  const chosen = rows.reduce((sum, row) => sum + row.after, 0);
  const after = entropy(rows.map((row) => row.after / chosen));
  const context = visible((at.column.prompt + textOf(at.column.pieces.slice(0, at.place))).slice(-CONTEXT_CHARACTERS));
  return (
    <section class="distribution" aria-label={say("distribution")}>
      <h2>{say("distribution")}</h2>
      <p class="hint">{say("distributionFor", { text: context })}</p>
      <p class="distribution-key hint">
        <span class="key-before">{say("modelSays")}</span>
        <span class="key-after">{say("settingsMake")}</span>
      </p>
      <table>
        <tbody>
          {rows.map((row) => (
            <tr key={row.text} class={row.isKept ? "" : "left-out"}>
              <th scope="row">
                <code>{shownToken(row.text)}</code>
              </th>
              <td class="shares" aria-hidden="true">
                <i class="bar-before" style={{ width: `${(100 * row.before) / scale}%` }} />
                <i class="bar-after" style={{ width: `${(100 * row.after) / scale}%` }} />
              </td>
              <td class="numbers">
                <span class="for-readers">{`${say("modelSays")} ${percent(row.before)}, ${say("settingsMake")} `}</span>
                {percent(row.after)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint numbers">
        {say("entropyLine", {
          before: number(before, 2),
          after: number(after, 2),
          kept: rows.filter((row) => row.isKept).length,
          count: rows.length,
        })}{" "}
        {listed < 0.999 && say("restLine", { share: percent(1 - listed) })}
      </p>
    </section>
  );
}
