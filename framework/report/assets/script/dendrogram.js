// Trees beside matrices of distances: average linkage joins what is near, and the leaves' order makes
// groups visible in the heat map.

const TREE_WIDTH = 96;
const TREE_LEAVES = 400;

// A distance of every pair of the same things: symmetric, and 0 from each to itself.
function isDistances(block) {
  const n = block.row_labels.length;
  if (n < 3 || n > TREE_LEAVES || block.cells.length !== n * n) return false;
  if (block.row_labels.some((label, i) => label !== block.column_labels[i])) return false;
  const largest = Math.max(...block.cells);
  return largest > 0 && block.cells.every((value, i) => isNumber(value) && value >= 0 &&
    (i % (n + 1) !== 0 || value === 0) &&
    Math.abs(value - block.cells[(i % n) * n + Math.floor(i / n)]) <= 1e-9 * largest);
}

// Nodes from the first join to the last: {left, right, height, leaves, at}, a leaf being {leaves, at}.
// The distance of two groups is the mean over their pairs.
function averageLinkage(cells, n) {
  let open = Array.from({ length: n }, (_, i) => ({ leaves: [i], height: 0 }));
  const distance = new Map();
  const key = (a, b) => `${Math.min(a, b)} ${Math.max(a, b)}`;
  open.forEach((node, i) => { node.id = i; });
  for (let i = 0; i < n; ++i) {
    for (let j = 0; j < i; ++j) distance.set(key(i, j), cells[i * n + j]);
  }
  for (let id = n; open.length > 1; ++id) {
    let best = null;
    for (let i = 0; i < open.length; ++i) {
      for (let j = i + 1; j < open.length; ++j) {
        const d = distance.get(key(open[i].id, open[j].id));
        if (best === null || d < best.d) best = { d, left: open[i], right: open[j] };
      }
    }
    const { d, left, right } = best;
    const join = { id, left, right, height: d, leaves: [...left.leaves, ...right.leaves] };
    open = open.filter((node) => node !== left && node !== right);
    for (const other of open) {
      const sum = left.leaves.length * distance.get(key(left.id, other.id)) +
        right.leaves.length * distance.get(key(right.id, other.id));
      distance.set(key(id, other.id), sum / join.leaves.length);
    }
    open.push(join);
  }
  return open[0];
}

function reordered(block, order) {
  const n = order.length;
  const labels = order.map((i) => block.row_labels[i]);
  return { ...block, row_labels: labels, column_labels: labels,
    cells: order.flatMap((i) => order.map((j) => block.cells[i * n + j])) };
}

// Joins further to the right are of groups further apart.
function treePaths(root, box) {
  const left = box.left + box.columns * box.width + 6;
  const rowOf = new Map(root.leaves.map((leaf, row) => [leaf, row]));
  const x = (node) => left + (node.height / root.height) * TREE_WIDTH;
  const paths = [];
  const place = (node) => {
    if (!node.left) return box.top + (rowOf.get(node.leaves[0]) + 0.5) * box.height;
    const [above, below] = [place(node.left), place(node.right)];
    paths.push(el("svg:path", { class: "tree",
      d: `M${x(node.left)} ${above}H${x(node)}V${below}H${x(node.right)}` }));
    return (above + below) / 2;
  };
  place(root);
  return paths;
}
