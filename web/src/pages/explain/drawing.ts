// Pictures of weights: matrices, stripes of numbers, lines between tokens.
import { between, type Colour, colourOf, css, prepare } from "../../parts/canvas";
import { shade } from "./maths";

/** A square matrix of shares, `size` pixels wide: query tokens downwards, key tokens to the right. */
export function drawMatrix(canvas: HTMLCanvasElement, matrix: Float32Array, length: number, size: number): void {
  const context = prepare(canvas, size, size);
  if (!context) return;
  const low = colourOf(canvas, "sunken");
  const high = colourOf(canvas, "accent");
  blit(context, length, length, size, size, (row, column) =>
    column > row ? null : between(low, high, shade(matrix[row * length + column] ?? 0)),
  );
}

/** Cosines from -1 to 1 in two colours. */
export function drawSigned(canvas: HTMLCanvasElement, rows: readonly (readonly number[])[], width: number, height: number): void {
  const context = prepare(canvas, width, height);
  if (!context) return;
  const most = Math.max(1e-9, ...rows.map((row) => row.reduce((top, value) => Math.max(top, Math.abs(value)), 0)));
  const middle = colourOf(canvas, "sunken");
  const more = colourOf(canvas, "accent");
  const less = colourOf(canvas, "danger");
  blit(context, rows.length, rows[0]?.length ?? 0, width, height, (row, column) => {
    const value = (rows[row]?.[column] ?? 0) / most;
    return between(middle, value < 0 ? less : more, Math.abs(value));
  });
}

function blit(
  context: CanvasRenderingContext2D,
  rows: number,
  columns: number,
  width: number,
  height: number,
  colour: (row: number, column: number) => Colour | null,
): void {
  if (!rows || !columns) return;
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = rows;
  const own = small.getContext("2d");
  if (!own) return;
  const image = own.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const found = colour(row, column);
      if (!found) continue;
      image.data.set([...found, 255], (row * columns + column) * 4);
    }
  }
  own.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, width, height);
}

interface Lines {
  matrix: Float32Array;
  length: number;
  rowHeight: number;
  width: number;
  chosen: number;
}

/** From each token at the left (it looks) to the tokens at the right (they are looked at). */
export function drawLines(canvas: HTMLCanvasElement, { matrix, length, rowHeight, width, chosen }: Lines): void {
  const context = prepare(canvas, width, rowHeight * length);
  if (!context) return;
  const quiet = colourOf(canvas, "ink-soft");
  const strong = colourOf(canvas, "accent");
  const middle = (place: number) => (place + 0.5) * rowHeight;
  const line = (query: number, key: number, colour: string, thickness: number) => {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.beginPath();
    context.moveTo(0, middle(query));
    context.bezierCurveTo(width * 0.4, middle(query), width * 0.6, middle(key), width, middle(key));
    context.stroke();
  };
  for (let query = 0; query < length; query++) {
    if (query === chosen) continue;
    for (let key = 0; key <= query; key++) {
      const share = matrix[query * length + key] ?? 0;
      if (share > 0.04) line(query, key, css(quiet, 0.22 * share), 1);
    }
  }
  for (let key = 0; key <= chosen; key++) {
    const share = matrix[chosen * length + key] ?? 0;
    if (share > 0.004) line(chosen, key, css(strong, 0.25 + 0.75 * shade(share)), 0.75 + 4 * share);
  }
}
