// Doing something on the server from a button: busy meanwhile, what went wrong in a notice.
import { useState } from "preact/hooks";
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
