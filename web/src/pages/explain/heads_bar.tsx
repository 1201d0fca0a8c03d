// Which layer and which head: small pictures of every head of the layer, to choose from.
import { useRef } from "preact/hooks";
import { useDrawing, useRepaint } from "../../parts/canvas";
import { walk } from "../../parts/roving";
import { drawMatrix } from "./drawing";
import { matrixOf } from "./maths";
import { head, layer, opened, showLayer, weights } from "./state";
import { say } from "./words";

const THUMB = 52;

export function LayerChoice() {
  const count = opened.value?.layers ?? 1;
  const window = opened.value?.windows[layer.value] ?? 0;
  return (
    <div class="layer-choice">
      <label>
        <span class="field-name">{say("layerOf", { layer: layer.value + 1, count })}</span>
        <input
          type="range"
          aria-label={say("layer")}
          min={0}
          max={count - 1}
          step={1}
          value={layer.value}
          onInput={(event) => void showLayer(Number(event.currentTarget.value))}
        />
      </label>
      {window > 0 && <p class="hint">{say("window", { window })}</p>}
    </div>
  );
}

export function HeadChoice({ hasMean = true }: { hasMean?: boolean }) {
  const bar = useRef<HTMLDivElement>(null);
  const count = opened.value?.heads ?? 0;
  const choices = [...(hasMean ? [-1] : []), ...Array.from({ length: count }, (_, each) => each)];
  const chosen = hasMean ? head.value : Math.max(0, head.value);
  return (
    <div
      ref={bar}
      class="head-choice"
      role="group"
      aria-label={say("head")}
      onKeyDown={(event) => walk(event, bar.current, "button")}
    >
      {choices.map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={each === chosen}
          tabIndex={each === chosen ? 0 : -1}
          aria-label={each < 0 ? say("allHeads") : say("headNumber", { head: each + 1 })}
          onClick={() => (head.value = each)}
        >
          <Thumb head={each} />
          <span>{each < 0 ? say("mean") : String(each + 1)}</span>
        </button>
      ))}
    </div>
  );
}

function Thumb({ head: own }: { head: number }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const repaint = useRepaint();
  const found = weights.value;
  const text = opened.value;
  useDrawing(
    ref,
    (canvas) => {
      if (!found || !text) return;
      drawMatrix(canvas, matrixOf(found, text.heads, text.length, own), text.length, THUMB);
    },
    [found, text?.id, own, repaint],
  );
  return <canvas ref={ref} width={THUMB} height={THUMB} aria-hidden="true" />;
}
