// Something asked of the server while a component is shown: the last answer stays until the next one is there.
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import { explain, isAbort } from "../api";

export interface Loaded<T> {
  value: T | null;
  failure: string | null;
  isBusy: boolean;
  reload: () => void;
}

export function useLoaded<T>(
  work: (signal: AbortSignal) => Promise<T>,
  reasons: readonly unknown[],
  pauseMs = 0,
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "reload">>({ value: null, failure: null, isBusy: true });
  const [turn, setTurn] = useState(0);
  const latest = useRef(work);
  latest.current = work;
  // Not useEffect, which waits for the next picture: in that gap an old value would pass for the new one.
  useLayoutEffect(() => {
    const controller = new AbortController();
    setState((old) => ({ ...old, isBusy: true }));
    const timer = setTimeout(() => {
      latest
        .current(controller.signal)
        .then((value) => !controller.signal.aborted && setState({ value, failure: null, isBusy: false }))
        .catch((error: unknown) => {
          if (controller.signal.aborted || isAbort(error)) return;
          setState((old) => ({ ...old, failure: explain(error), isBusy: false }));
        });
    }, pauseMs);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [...reasons, turn]);
  return { ...state, reload: useCallback(() => setTurn((old) => old + 1), []) };
}
