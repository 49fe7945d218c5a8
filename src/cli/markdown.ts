/** Text as a cell of a table. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** With a capital in front and a full stop behind. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}
