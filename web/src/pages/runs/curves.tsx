// Live curves of a stage: asks for new lines while it trains and the page is in view.
import { useEffect, useMemo, useState } from "preact/hooks";
import { isAbort } from "../../api";
import { report } from "../../parts/notices";
import { Plot } from "../../parts/plot";
import { language } from "../../preferences";
import { type Row, type State, watching } from "./api";
import { type Chart, chartsOf, curvesOf, keysOf } from "./curves_data";
import { metricName } from "./measure_words";
import { say } from "./words";

const EVERY_MS = 2000;

function useMetrics(run: string, stage: string, isLive: boolean): { rows: Row[]; state: State | null } {
  const [found, setFound] = useState<{ rows: Row[]; state: State | null }>({ rows: [], state: null });
  useEffect(() => {
    const controller = new AbortController();
    let after = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    setFound({ rows: [], state: null });
    const ask = async () => {
      try {
        if (document.visibilityState === "visible" || !after) {
          const { rows, next, state } = await watching.metrics(run, stage, after, controller.signal);
          const isNew = next < after; // the stage went on from an earlier save: its file begins anew
          if (rows.length || !after) setFound((old) => ({ rows: isNew ? rows : [...old.rows, ...rows], state }));
          else setFound((old) => (old.state === state ? old : { ...old, state }));
          const isAll = next === after || rows.length < 2000;
          after = next;
          if (isAll && state !== "running" && !isLive) return;
          timer = setTimeout(() => void ask(), isAll ? EVERY_MS : 0);
        } else timer = setTimeout(() => void ask(), EVERY_MS);
      } catch (error) {
        if (isAbort(error)) return;
        report(error);
        timer = setTimeout(() => void ask(), EVERY_MS * 5);
      }
    };
    void ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [run, stage, isLive]);
  return found;
}

export function Curves({ run, stage, isLive }: { run: string; stage: string; isLive: boolean }) {
  const { rows, state } = useMetrics(run, stage, isLive);
  const charts = useMemo(() => chartsOf(keysOf(rows)), [rows]);
  if (!rows.length) return <p class="hint">{state === null ? say("loading") : say("noMetrics")}</p>;
  const main = charts.filter((chart) => chart.isMain);
  const rest = charts.filter((chart) => !chart.isMain);
  return (
    <>
      <div class="charts">
        {(main.length ? main : rest).map((chart) => (
          <ChartBox key={chart.name} chart={chart} rows={rows} />
        ))}
      </div>
      {main.length > 0 && rest.length > 0 && <More charts={rest} rows={rows} />}
    </>
  );
}

function More({ charts, rows }: { charts: Chart[]; rows: Row[] }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="more" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{say("moreCurves", { count: charts.length })}</summary>
      {isOpen && (
        <div class="charts">
          {charts.map((chart) => (
            <ChartBox key={chart.name} chart={chart} rows={rows} />
          ))}
        </div>
      )}
    </details>
  );
}

function ChartBox({ chart, rows }: { chart: Chart; rows: Row[] }) {
  const { xs, values } = useMemo(() => curvesOf(rows, chart.keys), [rows, chart.keys.join()]);
  const curves = chart.keys.map((key, at) => {
    const own = values[at] ?? [];
    return {
      label: metricName(key),
      values: own,
      isSparse: own.filter((value) => value !== null).length < Math.min(40, xs.length / 2),
    };
  });
  const last = curves[0]?.values.findLast((value) => value !== null);
  return (
    <figure class="chart card">
      <figcaption>{metricName(chart.name)}</figcaption>
      <Plot
        label={say("curveLabel", { name: metricName(chart.name), last: last === undefined || last === null ? "" : short(last) })}
        xs={xs}
        curves={curves}
        digits={short}
      />
    </figure>
  );
}

/** Few digits, also for very small and very large numbers. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) {
    return new Intl.NumberFormat(language.value, { notation: size >= 1e6 ? "compact" : "scientific", maximumSignificantDigits: 3 }).format(value);
  }
  return new Intl.NumberFormat(language.value, { maximumSignificantDigits: 4 }).format(value);
}
