/** Average-linkage clustering, cut at a distance. */

/**
 * Cluster rows of a matrix by the nearest-neighbour chain (Murtagh 1983; exact for average
 * linkage, which is reducible). Memory is quadratic in the rows.
 */
export function averageLinkage(
  values: Float32Array,
  rows: readonly number[],
  width: number,
  cut: number,
): Int32Array {
  const n = rows.length;
  const distance = distances(values, rows, width);
  const size = new Float64Array(n).fill(1);
  const alive = new Uint8Array(n).fill(1);
  const parent = Int32Array.from(rows, (_, i) => i);
  const chain: number[] = [];
  let left = n;
  let from = 0;
  while (left > 1) {
    if (!chain.length) {
      while (!alive[from]) from++;
      chain.push(from);
    }
    const top = chain[chain.length - 1];
    const before = chain[chain.length - 2] ?? -1;
    const nearest = nearestAlive(distance, alive, n, top, before);
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    const [into, gone] = top < nearest ? [top, nearest] : [nearest, top];
    // merges above the cut do not join their members; later ones are no closer
    if (distance[into * n + gone] <= cut) parent[root(parent, gone)] = root(parent, into);
    merge(distance, alive, size, n, into, gone);
    left--;
  }
  return numbered(parent);
}

function distances(values: Float32Array, rows: readonly number[], width: number): Float32Array {
  const n = rows.length;
  const out = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let d = 0; d < width; d++) {
        sum += (values[rows[i] * width + d] - values[rows[j] * width + d]) ** 2;
      }
      out[i * n + j] = out[j * n + i] = Math.sqrt(sum);
    }
  }
  return out;
}

/** The nearest other cluster; of equals the one the chain came from, so that it ends. */
function nearestAlive(
  distance: Float32Array,
  alive: Uint8Array,
  n: number,
  row: number,
  before: number,
): number {
  let best = before;
  let least = before < 0 ? Infinity : distance[row * n + before];
  for (let other = 0; other < n; other++) {
    if (alive[other] && other !== row && distance[row * n + other] < least) {
      best = other;
      least = distance[row * n + other];
    }
  }
  return best;
}

function merge(
  distance: Float32Array,
  alive: Uint8Array,
  size: Float64Array,
  n: number,
  into: number,
  gone: number,
): void {
  const total = size[into] + size[gone];
  for (let other = 0; other < n; other++) {
    if (!alive[other] || other === into || other === gone) continue;
    const mean =
      (size[into] * distance[into * n + other] + size[gone] * distance[gone * n + other]) / total;
    distance[into * n + other] = distance[other * n + into] = mean;
  }
  size[into] = total;
  alive[gone] = 0;
}

function root(parent: Int32Array, row: number): number {
  while (parent[row] !== row) row = parent[row];
  return row;
}

function numbered(parent: Int32Array): Int32Array {
  const number = new Map<number, number>();
  return Int32Array.from(parent, (_, row) => {
    const top = root(parent, row);
    const known = number.get(top);
    if (known !== undefined) return known;
    number.set(top, number.size);
    return number.size - 1;
  });
}
