// One token: its number, its bytes, and the merges that made it, in the order in which they happened.
import { useLayoutEffect, useState } from "preact/hooks";
import { api, type MergePart, type MergePath, type TokenPiece } from "../../api";
import { report } from "../../parts/notices";
import { visible } from "../../parts/visible";
import { number } from "../../words";
import { hex, isPartial } from "./bytes";
import { say } from "./words";

export function TokenDetail({ chosen }: { chosen: { model: string; piece: TokenPiece } | null }) {
  const path = usePath(chosen);
  if (!chosen) {
    return (
      <>
        <h2>{say("detail")}</h2>
        <p class="hint">{say("detailNone")}</p>
      </>
    );
  }
  const { piece, model } = chosen;
  return (
    <>
      <h2>
        <code class="token-title">{partName(piece)}</code>
      </h2>
      <dl class="token-facts numbers">
        <dt>{say("model")}</dt>
        <dd>{model}</dd>
        <dt>{say("id")}</dt>
        <dd>{piece.id}</dd>
        <dt>{say("bytesName")}</dt>
        <dd>
          <code>{hex(piece.bytes)}</code>
        </dd>
        {path?.count !== undefined && path?.count !== null && (
          <>
            <dt>{say("occurs")}</dt>
            <dd>{say("times", { count: number(path.count) })}</dd>
          </>
        )}
      </dl>
      {isPartial(piece.text) && <p class="hint">{say("partial")}</p>}
      {piece.control ? <p class="hint">{say("control")}</p> : path && <Steps path={path} />}
    </>
  );
}

function usePath(chosen: { model: string; piece: TokenPiece } | null): MergePath | null {
  const [path, setPath] = useState<MergePath | null>(null);
  const model = chosen?.model;
  const id = chosen?.piece.id;
  useLayoutEffect(() => {
    setPath(null);
    if (model === undefined || id === undefined) return;
    let isWanted = true;
    api
      .mergePath(model, id)
      .then((found) => isWanted && setPath(found))
      .catch(report);
    return () => {
      isWanted = false;
    };
  }, [model, id]);
  return path;
}

function Steps({ path }: { path: MergePath }) {
  return (
    <div class="merge">
      <h3>{say("path")}</h3>
      {path.steps.length ? (
        <ol>
          {path.steps.map(({ left, right, result, rank }, place) => (
            <li key={place} aria-label={say("step", { left: partName(left), right: partName(right), result: partName(result) })}>
              <code>{partName(left)}</code>
              <span>+</span>
              <code>{partName(right)}</code>
              <span>→</span>
              <code class="made">{partName(result)}</code>
              {rank !== null && <span class="hint numbers">{say("rank", { rank })}</span>}
            </li>
          ))}
        </ol>
      ) : (
        <p class="hint">{say("single")}</p>
      )}
    </div>
  );
}

const partName = (part: Pick<MergePart, "text" | "bytes">): string =>
  isPartial(part.text) ? hex(part.bytes) : visible(part.text);
