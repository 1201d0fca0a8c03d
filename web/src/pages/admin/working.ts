// Doing something on the server from a button: busy meanwhile, what went wrong in a notice.
import { useState } from "preact/hooks";
import { explain } from "../../api";
import { report } from "../../parts/notices";

export function useWork(): [boolean, (work: () => Promise<unknown>) => Promise<void>] {
  const [isBusy, setBusy] = useState(false);
  const run = async (work: () => Promise<unknown>) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      report(error);
    } finally {
      setBusy(false);
    }
  };
  return [isBusy, run];
}

export interface Outcome {
  text: string;
  isFailure: boolean;
}

/** The same inside a dialog, where notices lie behind it: what came of it is for the dialog to show. */
export function useToldWork(): [boolean, Outcome | null, (work: () => Promise<string | null>) => Promise<void>] {
  const [isBusy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const run = async (work: () => Promise<string | null>) => {
    setBusy(true);
    setOutcome(null);
    try {
      const text = await work();
      if (text !== null) setOutcome({ text, isFailure: false });
    } catch (error) {
      setOutcome({ text: explain(error), isFailure: true });
    } finally {
      setBusy(false);
    }
  };
  return [isBusy, outcome, run];
}
