/** Text as a cell of a table; what stands in it as code stays code. */
export function cell(text: string): string {
  const line = text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');
  return line.replace(/`[^`]*`|</g, (found) => (found === '<' ? '&lt;' : found));
}

/** Code in a cell of a table. */
export function code(text: string): string {
  return cell(`\`${text}\``);
}

/** With a capital in front and a full stop behind. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}
