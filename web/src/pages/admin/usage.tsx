// Who used how much: totals, a chart by day and model, a table by whatever is asked.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { number } from "../../words";
import { office, type Spent } from "./api";
import { COLUMNS, type Column, grouped, lastDays, type Metric, METRICS, type Sum } from "./sums";
import { UsageChart } from "./usage_chart";
import { shownAmount, utcDay } from "./units";
import { say } from "./words";

const RANGES = [7, 30, 90, 365];

export function Usage() {
  const [range, setRange] = useState(30);
  const [metric, setMetric] = useState<Metric>("requests");
  const found = useLoaded(() => office.usage(range), [range]);
  const rows = found.value?.rows ?? [];
  const days = lastDays(range);
  return (
    <>
      <div class="row between">
        <Segments label={say("range")} items={RANGES} chosen={range} name={(one) => say("days", { count: one })} onChoose={setRange} />
        <span class="hint">{say("utcDays")}</span>
      </div>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && <Totals total={found.value.total} />}
      <section class="card box" aria-label={say("chart")} aria-busy={found.isBusy}>
        <header class="row between">
          <h2>{say("chart")}</h2>
          <Segments label={say("metric")} items={METRICS} chosen={metric} name={(one) => say(one)} onChoose={setMetric} />
        </header>
        {found.value && !rows.length ? (
          <p class="empty">{say("noUsage")}</p>
        ) : (
          <UsageChart rows={rows} days={days} metric={metric} />
        )}
      </section>
      {rows.length > 0 && <Sums lines={(by) => grouped(rows, by)} />}
      {found.value && found.value.training.rows.length > 0 && <Training lines={grouped(found.value.training.rows, "model")} />}
    </>
  );
}

interface SegmentsProps<Item extends string | number> {
  label: string;
  items: readonly Item[];
  chosen: Item;
  name: (item: Item) => string;
  onChoose: (item: Item) => void;
}

export function Segments<Item extends string | number>({ label, items, chosen, name, onChoose }: SegmentsProps<Item>) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {items.map((item) => (
        <button key={item} type="button" aria-pressed={item === chosen} onClick={() => onChoose(item)}>
          {name(item)}
        </button>
      ))}
    </div>
  );
}

function Totals({ total }: { total: Spent }) {
  const figures: [string, string][] = [
    [say("requests"), number(total.requests)],
    [say("tokensIn"), number(total.tokens_in)],
    [say("tokensOut"), number(total.tokens_out)],
    [say("cached"), number(total.tokens_cached)],
    [say("energyEstimated"), shownAmount(total.energy_estimated_j / 3600, "energy")],
    [say("cost"), shownAmount(total.cost, "cost")],
  ];
  return (
    <dl class="figures card box">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Sums({ lines }: { lines: (by: Column) => Sum[] }) {
  const [by, setBy] = useState<Column>("model");
  const name = (one: Sum) => (one.name === null ? say(`no_${by}`) : by === "day" ? utcDay(one.name) : one.name);
  return (
    <section class="card box" aria-label={say("sums")}>
      <header class="row between">
        <h2>{say("sums")}</h2>
        <Segments label={say("groupBy")} items={COLUMNS} chosen={by} name={(one) => say(`by_${one}`)} onChoose={setBy} />
      </header>
      <div class="scroll tall" tabIndex={0} role="group" aria-label={say("sums")}>
        <table class="listing">
          <thead>
            <tr>
              <th scope="col">{say(`by_${by}`)}</th>
              {(["requests", "tokensIn", "tokensOut", "cached", "secondsSpent", "energyShort", "cost"] as const).map((head) => (
                <th key={head} scope="col" class="amount">
                  {say(head)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lines(by).map((one) => (
              <tr key={one.name ?? ""}>
                <th scope="row">
                  <bdi>{name(one)}</bdi>
                </th>
                <td class="amount">{number(one.requests)}</td>
                <td class="amount">{number(one.tokens_in)}</td>
                <td class="amount">{number(one.tokens_out)}</td>
                <td class="amount">{number(one.tokens_cached)}</td>
                <td class="amount">{shownAmount(one.seconds, "seconds")}</td>
                <td class="amount">{shownAmount(one.energy_estimated_j / 3600, "energy")}</td>
                <td class="amount">{shownAmount(one.cost, "cost")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Training({ lines }: { lines: Sum[] }) {
  return (
    <section class="card box" aria-label={say("trainingUsage")}>
      <h2>{say("trainingUsage")}</h2>
      <p class="hint">{say("trainingUsageMore")}</p>
      <div class="scroll" tabIndex={0} role="group" aria-label={say("trainingUsage")}>
        <table class="listing">
          <thead>
            <tr>
              <th scope="col">{say("by_model")}</th>
              {(["tokens", "secondsSpent", "energyShort", "cost"] as const).map((head) => (
                <th key={head} scope="col" class="amount">
                  {say(head)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lines.map((one) => (
              <tr key={one.name ?? ""}>
                <th scope="row">
                  <bdi>{one.name}</bdi>
                </th>
                <td class="amount">{number(one.tokens_in + one.tokens_out)}</td>
                <td class="amount">{shownAmount(one.seconds, "seconds")}</td>
                <td class="amount">{shownAmount(one.energy_estimated_j / 3600, "energy")}</td>
                <td class="amount">{shownAmount(one.cost, "cost")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
