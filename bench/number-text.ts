/** Thousands apart, three significant digits below 100. */
export function numberText(value: number): string {
  if (value < 100) return String(Number(value.toPrecision(3)));
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}
