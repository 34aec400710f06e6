// Up and down arrow keys in a grid of elements.
const ROW_TOLERANCE_PX = 24;
const centerOf = ({ left, right }) => (left + right) / 2;

// Returns the horizontally nearest of the elements in the row below this element, or above it; undefined without one.
export function nearestInNextRow(element, elements, isDown) {
  const here = element.getBoundingClientRect();
  const beyond = elements
    .map((other) => ({ other, box: other.getBoundingClientRect() }))
    .filter(({ box }) => (isDown ? box.top >= here.bottom - 1 : box.bottom <= here.top + 1));
  const edges = beyond.map(({ box }) => (isDown ? box.top : box.bottom));
  const edge = isDown ? Math.min(...edges) : Math.max(...edges);
  const row = beyond.filter((_, index) => Math.abs(edges[index] - edge) < ROW_TOLERANCE_PX);
  const distance = ({ box }) => Math.abs(centerOf(box) - centerOf(here));
  return row.sort((one, other) => distance(one) - distance(other))[0]?.other;
}
