// Asks the server for the tokens of a text, shortly after the person stopped typing.
import { useEffect, useState } from "preact/hooks";
import { api, type TokenList } from "../../api";
import { report } from "../../parts/notices";

const PAUSE_MS = 160;

export function useTokens(model: string, text: string): { text: string; list: TokenList } | null {
  const [found, setFound] = useState<{ text: string; list: TokenList } | null>(null);
  useEffect(() => {
    if (!model) return;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      api
        .tokens(model, text, controller.signal)
        .then((list) => !controller.signal.aborted && setFound({ text, list }))
        .catch(report);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [model, text]);
  return found;
}
